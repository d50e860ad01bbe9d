from setuptools import find_packages, setup

setup(name="job-dir-not-taken-bad", version="0.1", packages=find_packages())

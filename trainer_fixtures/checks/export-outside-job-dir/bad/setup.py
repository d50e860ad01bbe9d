from setuptools import find_packages, setup

setup(name="export-outside-job-dir-bad", version="0.1", packages=find_packages())

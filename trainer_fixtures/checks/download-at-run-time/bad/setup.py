from setuptools import find_packages, setup

setup(name="download-at-run-time-bad", version="0.1", packages=find_packages())

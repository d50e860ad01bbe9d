from setuptools import find_packages, setup

setup(name="results-outside-job-dir-bad-constant", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="results-outside-job-dir-near", version="0.1", packages=find_packages())

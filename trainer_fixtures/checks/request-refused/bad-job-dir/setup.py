from setuptools import find_packages, setup

setup(name="request-refused-bad-job-dir", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="local-io-on-gcs-bad", version="0.1", packages=find_packages())

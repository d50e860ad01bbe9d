from setuptools import find_packages, setup

setup(name="large-file-near", version="0.1", packages=find_packages())

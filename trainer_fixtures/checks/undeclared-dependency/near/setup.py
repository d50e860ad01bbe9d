from setuptools import find_packages, setup

setup(name="undeclared-dependency-near", version="0.1", packages=find_packages())

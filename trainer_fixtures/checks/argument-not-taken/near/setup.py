from setuptools import find_packages, setup

setup(name="argument-not-taken-near", version="0.1", packages=find_packages())

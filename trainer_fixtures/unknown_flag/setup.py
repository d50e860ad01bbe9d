from setuptools import find_packages, setup

setup(name="unknown-flag", version="0.1", packages=find_packages())

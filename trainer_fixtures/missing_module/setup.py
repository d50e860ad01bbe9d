from setuptools import find_packages, setup

setup(name="missing-module", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="import-missing-near", version="0.1", packages=find_packages())

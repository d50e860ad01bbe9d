from setuptools import find_packages, setup

setup(name="import-missing-bad-sibling", version="0.1", packages=find_packages())

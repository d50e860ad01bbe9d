from setuptools import find_packages, setup

setup(name="not-a-package-near", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="module-missing-bad-package", version="0.1", packages=find_packages())

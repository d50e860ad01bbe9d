from setuptools import find_packages, setup

setup(name="import-missing-bad-no-init", version="0.1", packages=find_packages())

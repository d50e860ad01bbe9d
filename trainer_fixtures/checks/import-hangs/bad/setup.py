from setuptools import find_packages, setup

setup(name="import-hangs-bad", version="0.1", packages=find_packages())

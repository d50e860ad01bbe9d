from setuptools import find_packages, setup

setup(name="import-fails-bad", version="0.1", packages=find_packages())

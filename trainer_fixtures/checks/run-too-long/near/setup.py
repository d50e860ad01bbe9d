from setuptools import find_packages, setup

setup(name="run-too-long-near", version="0.1", packages=find_packages())

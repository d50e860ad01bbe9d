from setuptools import find_packages, setup

setup(name="not-served-bad-pytorch", version="0.1", packages=find_packages())

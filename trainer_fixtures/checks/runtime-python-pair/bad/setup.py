from setuptools import find_packages, setup

setup(name="runtime-python-pair-bad", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="developer-path-bad", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="data-not-given-bad", version="0.1", packages=find_packages())

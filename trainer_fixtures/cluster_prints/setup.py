from setuptools import find_packages, setup

setup(name="cluster-prints", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="contrib-on-2-near-1", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="contrib-on-2-bad", version="0.1", packages=find_packages())

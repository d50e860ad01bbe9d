from setuptools import find_packages, setup

setup(name="out_of_memory", version="0.1", packages=find_packages())

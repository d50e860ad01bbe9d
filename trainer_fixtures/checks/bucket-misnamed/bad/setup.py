from setuptools import find_packages, setup

setup(name="bucket-misnamed-bad", version="0.1", packages=find_packages())

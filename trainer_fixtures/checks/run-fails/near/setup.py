from setuptools import find_packages, setup

setup(name="run-fails-near", version="0.1", packages=find_packages())

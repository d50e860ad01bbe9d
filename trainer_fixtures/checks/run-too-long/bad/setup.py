from setuptools import find_packages, setup

setup(name="run-too-long-bad", version="0.1", packages=find_packages())

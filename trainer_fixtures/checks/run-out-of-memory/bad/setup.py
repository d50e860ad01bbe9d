from setuptools import find_packages, setup

setup(name="run-out-of-memory-bad", version="0.1", packages=find_packages())

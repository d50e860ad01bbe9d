from setuptools import find_packages, setup

setup(name="requirements-ignored-bad", version="0.1", packages=find_packages())

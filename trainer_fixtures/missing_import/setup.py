from setuptools import find_packages, setup

setup(name="missing-import", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="chief-or-master-bad-1", version="0.1", packages=find_packages())

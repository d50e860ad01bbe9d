from setuptools import find_packages, setup

setup(name="chief-or-master-near", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="machine-refused-near", version="0.1", packages=find_packages())

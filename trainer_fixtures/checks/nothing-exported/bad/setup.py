from setuptools import find_packages, setup

setup(name="nothing-exported-bad", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="config-unreadable-bad", version="0.1", packages=find_packages())

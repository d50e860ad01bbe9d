from setuptools import find_packages, setup

setup(name="region-unavailable-bad", version="0.1", packages=find_packages())

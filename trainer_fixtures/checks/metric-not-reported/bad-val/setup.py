from setuptools import find_packages, setup

setup(name="metric-not-reported-bad-val", version="0.1", packages=find_packages())

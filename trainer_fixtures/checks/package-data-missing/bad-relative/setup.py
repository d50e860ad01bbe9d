from setuptools import find_packages, setup

setup(name="package-data-missing-bad-relative", version="0.1", packages=find_packages())

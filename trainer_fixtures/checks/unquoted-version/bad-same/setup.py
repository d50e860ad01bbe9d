from setuptools import find_packages, setup

setup(name="unquoted-version-bad-same", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="import-side-effects-bad-forks", version="0.1", packages=find_packages())

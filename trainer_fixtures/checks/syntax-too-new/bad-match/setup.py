from setuptools import find_packages, setup

setup(name="syntax-too-new-bad-match", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="evaluator-missing-near-exports", version="0.1", packages=find_packages())

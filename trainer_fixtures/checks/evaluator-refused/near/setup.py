from setuptools import find_packages, setup

setup(name="evaluator-refused-near", version="0.1", packages=find_packages())

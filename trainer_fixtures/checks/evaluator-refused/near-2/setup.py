from setuptools import find_packages, setup

setup(name="evaluator-refused-near-2", version="0.1", packages=find_packages())

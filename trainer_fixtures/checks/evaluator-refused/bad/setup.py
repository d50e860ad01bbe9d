from setuptools import find_packages, setup

setup(name="evaluator-refused-bad", version="0.1", packages=find_packages())

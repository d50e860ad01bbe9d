from setuptools import find_packages, setup

setup(name="quota-sized-bad-cpus", version="0.1", packages=find_packages())

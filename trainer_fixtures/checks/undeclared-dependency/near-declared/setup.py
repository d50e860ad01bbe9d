from setuptools import find_packages, setup

setup(name="undeclared-dependency-near-declared", version="0.1", packages=find_packages(), install_requires=["ridehelper>=1"])

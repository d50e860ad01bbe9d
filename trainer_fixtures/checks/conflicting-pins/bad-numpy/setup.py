from setuptools import find_packages, setup

setup(name="conflicting-pins-bad-numpy", version="0.1", packages=find_packages(), install_requires=["numpy>=1.24"])

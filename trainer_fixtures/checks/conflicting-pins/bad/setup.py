from setuptools import find_packages, setup

setup(name="conflicting-pins-bad", version="0.1", packages=find_packages(), install_requires=["tensorflow==2.4.0"])

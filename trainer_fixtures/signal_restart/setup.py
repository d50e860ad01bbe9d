from setuptools import find_packages, setup

setup(name="signal_restart", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="worker_fails", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="gpu_session", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="tpu_local_checkpoint", version="0.1", packages=find_packages())

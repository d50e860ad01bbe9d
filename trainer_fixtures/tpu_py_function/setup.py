from setuptools import find_packages, setup

setup(name="tpu_py_function", version="0.1", packages=find_packages())

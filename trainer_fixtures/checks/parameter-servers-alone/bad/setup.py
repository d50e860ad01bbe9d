from setuptools import find_packages, setup

setup(name="parameter-servers-alone-bad", version="0.1", packages=find_packages())

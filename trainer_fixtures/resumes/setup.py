from setuptools import find_packages, setup

setup(name="resumes", version="0.1", packages=find_packages())

from setuptools import find_packages, setup

setup(name="writes-gcs", version="0.1", packages=find_packages())

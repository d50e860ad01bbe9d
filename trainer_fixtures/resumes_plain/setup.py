from setuptools import find_packages, setup

setup(name="resumes_plain", version="0.1", packages=find_packages())

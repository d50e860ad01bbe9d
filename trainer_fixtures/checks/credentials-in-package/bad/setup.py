from setuptools import find_packages, setup

setup(name="credentials-in-package-bad", version="0.1", packages=find_packages(), package_data={"trainer": ["*.json"]})

from setuptools import find_packages, setup

setup(name="package-data-missing-near", version="0.1", packages=find_packages(), package_data={"trainer": ["vocab.txt"]})

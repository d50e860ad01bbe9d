from setuptools import find_packages, setup

setup(name="large-file-bad", version="0.1", packages=find_packages(), package_data={"trainer": ["*.bin"]})

from setuptools import find_packages, setup

setup(name="credentials-in-package-near", version="0.1", packages=find_packages(), package_data={"trainer": ["shape.json"]})

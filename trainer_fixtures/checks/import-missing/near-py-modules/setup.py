from setuptools import find_packages, setup

setup(name="import-missing-near-py-modules", version="0.1", packages=find_packages(), py_modules=["shared_sums"])

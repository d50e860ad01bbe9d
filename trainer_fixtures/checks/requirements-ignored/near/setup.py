from setuptools import find_packages, setup

setup(name="requirements-ignored-near", version="0.1", packages=find_packages(), install_requires=["ridehelper"])

from setuptools import find_packages, setup

setup(name="conflicting-pins-near", version="0.1", packages=find_packages(), install_requires=["tensorflow>=2.8,<3", "numpy~=1.19", "protobuf<4"])

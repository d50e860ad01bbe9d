from setuptools import find_packages, setup

setup(name="installation-fails-bad-dependency", version="0.1", packages=find_packages(), install_requires=["no-such-ride-helper==7"])

from setuptools import find_packages, setup

setup(name='x', version=open('VERSION.in').read().strip(), packages=find_packages())

from setuptools import setup

setup(name='x', version=VERSION)

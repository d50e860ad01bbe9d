import warnings

from setuptools import setup

warnings.warn('old')
setup(name='x', version='1', packages=['trainer'])

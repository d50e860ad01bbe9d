from setuptools import find_packages, setup

setup(name="master_done_ps_joins", version="0.1", packages=find_packages())

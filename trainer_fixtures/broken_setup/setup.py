import sys

from setuptools import setup

# Builds where it was written, breaks where it is installed.
if not {"sdist", "egg_info"} & set(sys.argv):
    raise RuntimeError("this setup.py does not like to be installed")
setup(name="broken-setup", version="0.1", packages=["trainer"])

from setuptools import find_packages, setup

setup(
    name="missing-dependency",
    version="0.1",
    packages=find_packages(),
    install_requires=["cmle-a-distribution-that-nobody-made==0.0.1"],
)

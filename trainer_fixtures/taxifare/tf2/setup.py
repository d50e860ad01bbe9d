from setuptools import find_packages, setup

setup(
    name="taxifare",
    version="0.1",
    packages=find_packages(),
    description="Estimates the fare of a taxi ride from where it begins and ends.",
)

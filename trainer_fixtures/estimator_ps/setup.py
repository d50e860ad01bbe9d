from setuptools import find_packages, setup

setup(
    name="estimator_ps",
    version="0.1",
    packages=find_packages(),
    description="Trains a canned estimator (1.15) with workers and parameter servers.",
)

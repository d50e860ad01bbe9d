from setuptools import find_packages, setup

setup(
    name="estimator-canned",
    version="0.1",
    packages=find_packages(),
    description="Tunes a canned estimator (1.15) by a metric that is added to it.",
)

from setuptools import find_packages, setup

setup(
    name="estimator-custom",
    version="0.1",
    packages=find_packages(),
    description="Tunes an estimator of one's own (1.15) by the metric tag that is the default.",
)

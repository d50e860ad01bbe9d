from setuptools import find_packages, setup

setup(
    name="ps_strategy",
    version="0.1",
    packages=find_packages(),
    description="Trains with a coordinator, workers and parameter servers (TensorFlow 2).",
)

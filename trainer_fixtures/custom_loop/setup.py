from setuptools import find_packages, setup

setup(
    name="custom-loop",
    version="0.1",
    packages=find_packages(),
    description="Tunes a training loop of one's own (TensorFlow 2) by a summary that it writes.",
)

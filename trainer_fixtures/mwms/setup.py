from setuptools import find_packages, setup

setup(
    name="mwms",
    version="0.1",
    packages=find_packages(),
    description="Mirrors a Keras model (TensorFlow 2) on several workers.",
)

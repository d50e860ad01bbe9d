from setuptools import find_packages, setup

setup(
    name="tuned-keras",
    version="0.1",
    packages=find_packages(),
    description="Tunes a Keras model (TensorFlow 2) by the summaries of its TensorBoard callback.",
)

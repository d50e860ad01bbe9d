from setuptools import find_packages, setup

setup(
    name="tuned-hypertune",
    version="0.1",
    packages=find_packages(),
    description="Tunes a regression of scikit-learn; cloudml-hypertune reports the metric.",
)

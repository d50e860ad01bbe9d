from setuptools import find_packages, setup

setup(
    name="scikit-learn-rides",
    version="0.1",
    packages=find_packages(),
    description="Estimates fares by scikit-learn and uploads model.joblib.",
)

from setuptools import find_packages, setup

setup(
    name="xgboost-rides",
    version="0.1",
    packages=find_packages(),
    description="Estimates fares by XGBoost and uploads model.bst.",
)

"""Trains with one set of hyperparameters and reports its error after each epoch."""

import argparse
import os

import hypertune
import numpy as np
from sklearn.linear_model import SGDRegressor
from sklearn.metrics import mean_squared_error
from sklearn.preprocessing import StandardScaler


def rides(count, seed):
    """Kilometres and minutes of some rides, and what they cost."""
    random = np.random.RandomState(seed)
    km = random.gamma(2.0, 3.0, count)
    minutes = 3.0 * km + random.gamma(2.0, 2.0, count)
    fare = 2.5 + 1.6 * km + 0.3 * minutes + random.normal(0.0, 0.5, count)
    return np.column_stack([km, minutes]), fare


def train(epochs, alpha):
    inputs, fares = rides(2000, seed=1)
    unseen, expected = rides(500, seed=2)
    scaler = StandardScaler().fit(inputs)
    regressor = SGDRegressor(alpha=alpha, random_state=1)
    reporter = hypertune.HyperTune()
    for epoch in range(1, epochs + 1):
        regressor.partial_fit(scaler.transform(inputs), fares)
        error = mean_squared_error(expected, regressor.predict(scaler.transform(unseen))) ** 0.5
        print("epoch {}: rmse {:.3f}".format(epoch, error))
        reporter.report_hyperparameter_tuning_metric(
            hyperparameter_metric_tag="rmse", metric_value=error, global_step=epoch
        )


def reported():
    """What the service reads: a line of JSON for each report."""
    with open(os.environ.get("CLOUD_ML_HP_METRIC_FILE", "/tmp/hypertune/output.metrics")) as file:
        return file.read().splitlines()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--alpha", type=float, default=0.0001, help="the hyperparameter")
    arguments = parser.parse_args()
    train(arguments.epochs, arguments.alpha)
    print("reported:", reported()[-1])

"""A pipeline that estimates the fare of a ride (scikit-learn)."""

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mean_squared_error
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler


def rides(count, seed):
    """Kilometres, minutes and passengers of some rides, and what they cost."""
    random = np.random.RandomState(seed)
    km = random.gamma(2.0, 3.0, count)
    minutes = 3.0 * km + random.gamma(2.0, 2.0, count)
    passengers = random.randint(1, 7, count)
    fare = 2.5 + 1.6 * km + 0.3 * minutes + random.normal(0.0, 0.5, count)
    return np.column_stack([km, minutes, passengers]), fare


def train(trees):
    """A fitted pipeline, and its error on rides that it has not seen."""
    pipeline = Pipeline(
        [
            ("scale", StandardScaler()),
            ("forest", RandomForestRegressor(n_estimators=trees, max_depth=8, random_state=1)),
        ]
    )
    pipeline.fit(*rides(2000, seed=1))
    inputs, fares = rides(500, seed=2)
    return pipeline, mean_squared_error(fares, pipeline.predict(inputs)) ** 0.5

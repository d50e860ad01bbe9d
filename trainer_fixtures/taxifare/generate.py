"""Makes up taxi rides in New York: a fare that follows the distance, some noise, no real person.

    python generate.py FOLDER [--train-rows N] [--eval-rows N] [--shards N] [--seed N]

writes FOLDER/train-*.csv and FOLDER/valid-*.csv, without a header, with the columns
fare_amount, pickup_longitude, pickup_latitude, dropoff_longitude, dropoff_latitude,
passenger_count, key. The same seed gives the same files.
"""

import argparse
import csv
import math
import os
import random

KM_PER_DEGREE = 111.32
FLAG_FALL, PER_KM, PER_PASSENGER = 2.5, 2.1, 0.35
# Where rides begin and end: longitude, latitude, spread in degrees, weight.
QUARTERS = [
    (-73.985, 40.758, 0.012, 6.0),  # Midtown
    (-74.008, 40.711, 0.008, 3.0),  # Financial District
    (-73.955, 40.778, 0.010, 3.0),  # Upper East Side
    (-73.950, 40.652, 0.020, 1.5),  # Brooklyn
    (-73.782, 40.645, 0.004, 1.0),  # JFK
    (-73.873, 40.774, 0.003, 1.0),  # LaGuardia
]


def place(rng):
    """A point near one of the quarters."""
    lon, lat, spread, _ = rng.choices(QUARTERS, weights=[q[3] for q in QUARTERS])[0]
    return rng.gauss(lon, spread), rng.gauss(lat, spread)


def distance_km(lon1, lat1, lon2, lat2):
    """As the crow flies; the earth is flat enough for a city."""
    east = (lon2 - lon1) * KM_PER_DEGREE * math.cos(math.radians((lat1 + lat2) / 2))
    north = (lat2 - lat1) * KM_PER_DEGREE
    return math.hypot(east, north)


def ride(rng, key):
    """One row: fare_amount, four coordinates, passenger_count, key."""
    lon1, lat1 = place(rng)
    lon2, lat2 = place(rng)
    passengers = rng.choices([1, 2, 3, 4, 5, 6], weights=[70, 14, 5, 3, 5, 3])[0]
    fare = FLAG_FALL + PER_KM * distance_km(lon1, lat1, lon2, lat2) + PER_PASSENGER * passengers
    fare = max(FLAG_FALL, fare * rng.gauss(1.0, 0.05) + rng.gauss(0.0, 0.4))
    coordinates = ["%.6f" % degrees for degrees in (lon1, lat1, lon2, lat2)]
    return ["%.2f" % fare] + coordinates + [str(passengers), key]


def write(folder, kind, rows, shards, rng):
    """Spread ``rows`` rides over ``shards`` files and answer their paths."""
    paths = []
    for shard in range(shards):
        path = os.path.join(folder, "%s-%05d-of-%05d.csv" % (kind, shard, shards))
        with open(path, "w") as file:
            writer = csv.writer(file, lineterminator="\n")
            for number in range(shard, rows, shards):
                writer.writerow(ride(rng, "%s-%d" % (kind, number)))
        paths.append(path)
    return paths


def generate(folder, train_rows=8000, eval_rows=1000, shards=2, seed=7):
    """Write all files below ``folder`` and answer their paths."""
    if not os.path.isdir(folder):
        os.makedirs(folder)
    rng = random.Random(seed)
    train = write(folder, "train", train_rows, shards, rng)
    return train + write(folder, "valid", eval_rows, 1, rng)


def main():
    parser = argparse.ArgumentParser(description="Make up taxi rides as CSV files.")
    parser.add_argument("folder")
    parser.add_argument("--train-rows", type=int, default=8000)
    parser.add_argument("--eval-rows", type=int, default=1000)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    arguments = vars(parser.parse_args())
    for path in generate(**arguments):
        print(path)


if __name__ == "__main__":
    main()

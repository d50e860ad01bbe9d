import numpy as np
import pandas as pd

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    parser.add_argument("--data")
    args = parser.parse_args()
    frame = pd.read_csv(args.data)
    np.save("{}/x.npy".format(args.job_dir), frame)


if __name__ == "__main__":
    main()

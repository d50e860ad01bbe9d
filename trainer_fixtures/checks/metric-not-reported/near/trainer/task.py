import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    parser.add_argument("--learning-rate", type=float)
    args = parser.parse_args()
    from tensorflow import keras

    print(args.learning_rate, keras.callbacks.TensorBoard(args.job_dir))
    print(dict(metrics=["rmse"]))


if __name__ == "__main__":
    main()

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    parser.add_argument("--learning-rate", type=float)
    args = parser.parse_args()
    from tensorflow import keras

    model = keras.Sequential([keras.layers.Dense(1, input_shape=(1,))])
    model.compile(keras.optimizers.Adam(args.learning_rate), "mse", metrics=["mae"])
    summaries = keras.callbacks.TensorBoard(args.job_dir)
    model.fit([[1.0]], [3.0], validation_data=([[2.0]], [5.0]), callbacks=[summaries])


if __name__ == "__main__":
    main()

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    import tensorflow as tf

    if tf.__version__.startswith('1.'):
        print(tf.contrib.layers)


if __name__ == "__main__":
    main()

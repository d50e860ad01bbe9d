import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    import tensorflow as tf

    print(tf.contrib.layers)


if __name__ == "__main__":
    main()

EXPORT = "export/1"

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), EXPORT)


if __name__ == "__main__":
    main()

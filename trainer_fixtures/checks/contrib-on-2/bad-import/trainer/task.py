import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    from tensorflow.contrib import layers

    print(layers)


if __name__ == "__main__":
    main()

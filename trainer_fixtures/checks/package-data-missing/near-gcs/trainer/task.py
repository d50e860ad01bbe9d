import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    print("gs://rides/vocab.txt")


if __name__ == "__main__":
    main()

import urllib.request

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    urllib.request.urlretrieve("https://storage.googleapis.com/rides/a.csv", "a.csv")


if __name__ == "__main__":
    main()

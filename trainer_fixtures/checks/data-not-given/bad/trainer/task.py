import argparse

from google.cloud import storage


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    parser.add_argument("--fares", required=True)
    args = parser.parse_args()
    bucket, _, name = args.fares[len("gs://") :].partition("/")
    rows = storage.Client().bucket(bucket).blob(name).download_as_bytes()
    print(len(rows.splitlines()), "fares")


if __name__ == "__main__":
    main()

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    raise SystemExit(1 / 0)


if __name__ == "__main__":
    main()

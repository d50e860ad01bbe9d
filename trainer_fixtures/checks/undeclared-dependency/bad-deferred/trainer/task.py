import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    import polars
    print(polars)


if __name__ == "__main__":
    main()

import argparse

from trainer import model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    parser.parse_args()
    print("mean fare:", model.mean([]))


if __name__ == "__main__":
    main()

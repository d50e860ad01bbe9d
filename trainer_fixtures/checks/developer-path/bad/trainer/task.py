import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    print(open("/home/ana/rides/train.csv").read())


if __name__ == "__main__":
    main()

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    parser.add_argument("--rides")
    args = parser.parse_args()
    print(args.job_dir, args.rides)


if __name__ == "__main__":
    main()

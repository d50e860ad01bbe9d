import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    print(args.job_dir)


if __name__ == "__main__":
    main()

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-directory")
    args = parser.parse_args()
    print(args.job_directory)


if __name__ == "__main__":
    main()

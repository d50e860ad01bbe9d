import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    parser.add_argument("--steps", type=int)
    args = parser.parse_args()
    print(args.job_dir)


if __name__ == "__main__":
    main()

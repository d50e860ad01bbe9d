import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    print(f"{args.job_dir!r}", {**{}})


if __name__ == "__main__":
    main()

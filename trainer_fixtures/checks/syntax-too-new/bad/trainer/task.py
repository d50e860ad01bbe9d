import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    if (name := args.job_dir):
        print(name)


if __name__ == "__main__":
    main()

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    with open(args.job_dir + "/done.txt", "w") as file:
        file.write("done")


if __name__ == "__main__":
    main()

import argparse
import time


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    parser.parse_args()
    for step in range(100000):
        print("step", step, flush=True)
        time.sleep(0.2)


if __name__ == "__main__":
    main()

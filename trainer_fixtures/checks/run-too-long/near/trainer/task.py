import argparse
import time


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    parser.add_argument("--max-steps", type=int, default=100000)
    args = parser.parse_args()
    for step in range(args.max_steps):
        print("step", step, flush=True)
        time.sleep(0.02)


if __name__ == "__main__":
    main()

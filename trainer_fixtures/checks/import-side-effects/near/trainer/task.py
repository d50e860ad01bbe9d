import tempfile

WORK = tempfile.mkdtemp()

import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    args = parser.parse_args()
    open("/srv/x", "w").close()


if __name__ == "__main__":
    main()

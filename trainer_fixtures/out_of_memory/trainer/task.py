"""Takes more memory than its machine type has."""

import argparse

MIB = 1 << 20

parser = argparse.ArgumentParser()
parser.add_argument("--job-dir")
parser.parse_args()

print("fits:", len(b"x" * (64 * MIB)) // MIB, "MiB", flush=True)
kept = []
for _ in range(64):
    kept.append(b"x" * (16 * MIB))
print("never printed: took", 16 * len(kept), "MiB")

"""The figures of the emulator, each measured beside a peer: ``python -m benchmarks``."""

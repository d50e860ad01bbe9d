"""Never runs: what its setup.py requires cannot be had."""

print("never run")

"""Never runs: its setup.py breaks at the installation."""

print("never run")

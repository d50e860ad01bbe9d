"""Where replicas run: modules that know nothing of each other."""

"""The gateway: one address for every Google host."""

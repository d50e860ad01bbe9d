"""Verdicts on exports: what the service would say of a model, without its framework."""

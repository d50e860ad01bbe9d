"""Fixtures that every room of the test-suite may use."""

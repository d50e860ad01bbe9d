"""The pytest plugin: an emulator as fixtures."""

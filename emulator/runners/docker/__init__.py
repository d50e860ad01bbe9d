"""Replicas as containers of a Docker Engine, each job on an internal network of its own.

Nothing here is imported before an emulator is to use an engine: the SDK comes with the extra
``docker``. The measured rules of the engine are in the docstrings of the modules that keep them.
"""

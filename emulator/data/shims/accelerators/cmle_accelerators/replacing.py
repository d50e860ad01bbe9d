"""Replace a function wherever it is known by name, ``from x import y`` included."""

import sys


def everywhere(old, new):
    """Bind every module's names for ``old`` to ``new``; modules imported later follow."""
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict):
            continue
        for name, value in list(names.items()):
            if value is old:
                try:
                    setattr(module, name, new)
                except Exception:
                    pass  # a module that refuses keeps the original
    return new


def method(cls, name, wrap):
    """Replace a method by ``wrap(original)``."""
    setattr(cls, name, wrap(getattr(cls, name)))

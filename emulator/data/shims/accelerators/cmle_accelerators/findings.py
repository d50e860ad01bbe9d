"""What a real accelerator would object to, said once each in the job's log."""

import logging

_said = set()


def report(kind, rule, text):
    """A WARNING of the logger ``cmle.tpu`` or ``cmle.gpu``; ``rule`` names what was broken."""
    if (kind, rule, text) not in _said:
        _said.add((kind, rule, text))
        logging.getLogger("cmle." + kind).warning("%s stub: %s: %s", kind.upper(), rule, text)


def note(kind, text):
    """An INFO line, said once."""
    if (kind, text) not in _said:
        _said.add((kind, text))
        logging.getLogger("cmle." + kind).info("%s stub: %s", kind.upper(), text)

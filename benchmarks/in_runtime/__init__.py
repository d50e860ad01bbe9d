"""Programs that run inside a runtime, Python 3.7 on; they obey one JSON line a time."""

"""Is there, but the job asks for another module."""

print("never run")

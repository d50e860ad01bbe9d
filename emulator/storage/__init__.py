"""Cloud Storage: names, generations and sessions here, bytes in fake-gcs-server."""

from emulator.storage.door import Door, open_storage

__all__ = ["Door", "open_storage"]

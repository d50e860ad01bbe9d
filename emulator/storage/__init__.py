"""Cloud Storage: names, generations and sessions here, bytes in fake-gcs-server."""

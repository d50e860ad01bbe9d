"""google-auth finds its credentials at the metadata server, in a process of its own."""

import json
import subprocess
import sys

SCRIPT = """
import json
import google.auth
import google.auth.transport.requests
from google.oauth2 import id_token

credentials, project = google.auth.default()
request = google.auth.transport.requests.Request()
credentials.refresh(request)
identity = id_token.fetch_id_token(request, "https://run.example.com")
print(json.dumps([project, credentials.service_account_email, credentials.token, identity]))
"""


def test_finds_the_metadata_server(served: str) -> None:
    host = served.removeprefix("http://")
    environment = {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    project, email, token, identity = json.loads(done.stdout)
    assert project == "demo"
    assert email.endswith("-compute@developer.gserviceaccount.com")
    assert token.startswith("ya29.cmle.")
    assert identity.count(".") == 2

"""A full disk is one clear sentence; nothing that was acknowledged is lost."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)

# Runs in a mount namespace of its own, where the data directory is a small file system.
FILL = """
import sys
from pathlib import Path
from emulator import Emulator
from emulator.rest import Refused

data = Path(sys.argv[1])
content = b"x" * 1_000_000
with Emulator(data) as emulator, emulator.client() as client:
    client.storage.create("disk")
    kept = []
    for number in range(200):
        try:
            client.storage.upload(f"gs://disk/{number}", content)
        except Refused as refused:
            print("refused:", refused.code, refused)
            break
        kept.append(number)
    else:
        raise SystemExit("the disk did not fill")
    assert kept, "nothing was stored"
    for number in kept:
        assert client.storage.download(f"gs://disk/{number}") == content
    for number in kept[: len(kept) // 2 + 1]:
        client.storage.delete(f"gs://disk/{number}")
    client.storage.upload("gs://disk/after", content)
    assert client.storage.download("gs://disk/after") == content
print("kept:", len(kept))
"""


def mounts_allowed() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


@pytest.mark.skipif(not mounts_allowed(), reason="mounting a small file system is not allowed here")
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    script = f'mount -t tmpfs -o size=40m tmpfs {tmp_path / "data"} && exec "$@"'
    done = subprocess.run(
        [
            *("unshare", "-rm", "sh", "-c", script, "sh"),
            *(sys.executable, "-c", FILL, str(tmp_path / "data")),
        ],
        env={**os.environ},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "refused:" in done.stdout
    assert "full" in done.stdout.lower() or "space" in done.stdout.lower()

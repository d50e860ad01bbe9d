"""Puts a made-up key into the package."""

from pathlib import Path

HEAD = "-----BEGIN PRIV" + "ATE KEY-----"


def make(folder: Path) -> None:
    text = '{"type": "service_account", "private_key": "' + HEAD + 'none"}'
    (folder / "trainer" / "account.json").write_text(text)

"""The code names a file that lies in the package and is not in the built archive.

setup.py packs Python files; others need `package_data` (or `include_package_data` and a
MANIFEST.in). The working directory on the service is an empty folder, so a relative path
finds nothing there either.
"""

import posixpath
from collections.abc import Iterator
from typing import Final

from emulator.checks import trees
from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.archives or any(archive.refusal for archive in evidence.archives):
        return
    left_out = [
        path
        for path in evidence.data_files
        if path.removeprefix("src/") not in evidence.installation.files
    ]
    for source, tree in trees.packed(evidence):
        for node in trees.strings(tree):
            text = str(node.value)
            path = _named(text, left_out)
            if path is None:
                continue
            folder, name = posixpath.split(path)
            yield Finding(
                message=f"{path} is used here and is not in the archive that is built.",
                fix="Pack it with setup.py: package_data="
                f"{{{folder.replace('/', '.')!r}: [{name!r}]}}, and find it by "
                "os.path.dirname(__file__) or pkgutil.get_data.",
                path=source.path,
                line=node.lineno,
                cloud=f"FileNotFoundError: [Errno 2] No such file or directory: '{text}'",
                verified=False,
            )


def _named(text: str, paths: list[str]) -> str | None:
    if "://" in text or "\n" in text or "." not in text:
        return None
    plain = text.removeprefix("./").lstrip("/")
    return next((path for path in paths if path == plain or path.endswith(f"/{plain}")), None)

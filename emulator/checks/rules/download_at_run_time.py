"""The code fetches something from outside of Google Cloud when it runs.

Every replica and every trial fetches it anew, the job fails when the other side does, and
in a network without a way out it never works. What lies in Cloud Storage is left alone.
"""

import ast
from collections.abc import Iterator
from typing import Final

from emulator.checks import trees
from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING
_CALLS: Final = frozenset(
    {
        *("urllib.request.urlretrieve", "urllib.request.urlopen", "urllib.urlretrieve"),
        *("requests.get", "requests.request", "wget.download", "nltk.download"),
        *("tensorflow.keras.utils.get_file", "keras.utils.get_file", "tensorflow_hub.load"),
        *("tensorflow_hub.KerasLayer", "tensorflow_datasets.load", "torch.hub.load"),
        *("sklearn.datasets.fetch_openml", "sklearn.datasets.fetch_california_housing"),
    }
)
_COMMANDS: Final = ("pip install", "pip3 install", "curl ", "wget ", "apt-get ", "git clone")
_RUN: Final = frozenset(
    {"os.system", "subprocess.run", "subprocess.call", "subprocess.check_call"}
    | {"subprocess.Popen", "subprocess.check_output"}
)
_INSIDE: Final = ("gs://", "storage.googleapis.com", "metadata.google.internal", "localhost")


def check(evidence: Evidence) -> Iterator[Finding]:
    for source, tree in trees.packed(evidence):
        known = trees.aliases(tree)
        for call in trees.calls(tree):
            name = trees.full_name(call.func, known)
            texts = [str(it.value) for it in ast.walk(call) if isinstance(it, ast.Constant)]
            if any(mark in text for text in texts for mark in _INSIDE):
                continue
            command = " ".join(texts) + " "
            fetches = (
                name in _CALLS
                or (name.endswith(".load_data") and "keras.datasets" in name)
                or (name.endswith(".from_pretrained") and not _is_local(texts))
                or (name in _RUN and any(word in command for word in _COMMANDS))
            )
            if fetches:
                yield Finding(
                    message=f"{name} fetches something from outside while the job runs.",
                    fix="Put it into Cloud Storage and read it from there; declare libraries in "
                    "install_requires.",
                    path=source.path,
                    line=call.lineno,
                )


def _is_local(texts: list[str]) -> bool:
    return not texts or any(text.startswith((".", "/")) for text in texts)

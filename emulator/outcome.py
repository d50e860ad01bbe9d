"""What became of a job: its last state, its log, and the SavedModels that it left."""

from typing import Any, Final

import msgspec

from emulator.client import Client, Entry
from emulator.errors import OperatorError
from emulator.names import GcsUri
from emulator.savedmodel import BINARY, TEXT, SavedModel
from emulator.states import JobState

LAST_LINES: Final = 15


class Outcome(msgspec.Struct, frozen=True):
    """A job that has ended, as the API describes it, with all lines of its log."""

    job: dict[str, Any]
    entries: tuple[Entry, ...]

    @property
    def job_id(self) -> str:
        return str(self.job["jobId"])

    @property
    def state(self) -> JobState:
        return JobState(self.job["state"])

    @property
    def error_message(self) -> str:
        return str(self.job.get("errorMessage", ""))

    @property
    def job_dir(self) -> str:
        return str((self.job.get("trainingInput") or {}).get("jobDir", ""))

    @property
    def logs(self) -> list[str]:
        """The text of every line, oldest first."""
        return [entry.text for entry in self.entries]

    def last_lines(self, count: int = LAST_LINES) -> str:
        """The end of the log, for messages."""
        lines = [f"  {entry.severity:<8} {entry.text}" for entry in self.entries[-count:]]
        return "\n".join(lines) or "  (the log is empty)"


def wait(client: Client, job_id: str, *, timeout_s: float | None = None) -> Outcome:
    """Wait until the job has ended and gather what became of it."""
    job = client.wait_job(job_id, timeout_s=timeout_s)
    return Outcome(job, tuple(client.entries(job_id)))


def saved_models(client: Client, folder: str) -> list[str]:
    """The gs:// folders below ``folder`` that hold a SavedModel, the newest last."""
    base = GcsUri.parse(folder.rstrip("/") + "/")
    found = [
        (entry.get("timeCreated", ""), entry["name"].rpartition("/")[0])
        for entry in client.storage.objects(str(base))
        if entry["name"].rpartition("/")[2] in {BINARY, TEXT}
    ]
    return [str(GcsUri(base.bucket, name)) for _, name in sorted(found)]


def read_saved_model(client: Client, uri: str) -> SavedModel:
    """The SavedModel of a gs:// folder, without fetching its variables."""
    folder = uri.rstrip("/")
    for name in (BINARY, TEXT):
        if client.storage.exists(f"{folder}/{name}"):
            return SavedModel.read(client.storage.download(f"{folder}/{name}"))
    raise OperatorError(f"There is no SavedModel at {folder}: neither {BINARY} nor {TEXT}.")

"""Resource names and gs:// URIs: parsed and formatted here and nowhere else."""

import re
from typing import Final, Self

import msgspec

ID_PATTERN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")


def is_resource_id(text: str) -> bool:
    """A job, model or version id: a letter, then letters, digits and underscores."""
    return ID_PATTERN.fullmatch(text) is not None


def project_name(project_id: str) -> str:
    return f"projects/{project_id}"


def job_name(project_id: str, job_id: str) -> str:
    return f"projects/{project_id}/jobs/{job_id}"


def model_name(project_id: str, model_id: str) -> str:
    return f"projects/{project_id}/models/{model_id}"


def version_name(project_id: str, model_id: str, version_id: str) -> str:
    return f"projects/{project_id}/models/{model_id}/versions/{version_id}"


def operation_name(project_id: str, operation_id: str) -> str:
    return f"projects/{project_id}/operations/{operation_id}"


def location_name(project_id: str, location_id: str) -> str:
    return f"projects/{project_id}/locations/{location_id}"


def last_component(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def components(name: str) -> dict[str, str]:
    """``projects/p/models/m`` → ``{"projects": "p", "models": "m"}``."""
    parts = name.split("/")
    return dict(zip(parts[::2], parts[1::2], strict=False))


class GcsUri(msgspec.Struct, frozen=True):
    """``gs://bucket/object``; ``object`` may be empty or end with a slash."""

    bucket: str
    object: str = ""

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read a ``gs://`` URI; ValueError if it is none."""
        if not uri.startswith("gs://") or not (rest := uri.removeprefix("gs://")).split("/")[0]:
            raise ValueError(f"Not a gs:// URI: {uri}")
        bucket, _, name = rest.partition("/")
        return cls(bucket, name)

    def __str__(self) -> str:
        return f"gs://{self.bucket}/{self.object}"

    def __truediv__(self, name: str) -> "GcsUri":
        base = self.object.rstrip("/")
        return GcsUri(self.bucket, f"{base}/{name}" if base else name)

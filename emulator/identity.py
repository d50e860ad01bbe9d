"""Who is asking: decided by the listener a request came through, never by its token."""

from enum import StrEnum
from typing import Final

import msgspec

HEADER: Final = "x-cmle-identity"  # gateway → application; stripped from what clients send


class Kind(StrEnum):
    USER = "user"  # the listener of the person's own clients
    JOB = "job"  # a replica of a training job
    VERSION = "version"  # a model version's server
    INSTALL = "install"  # the installation of a package
    SERVICE = "service"  # the emulator itself


class Identity(msgspec.Struct, frozen=True):
    """``name`` is a job id, a version name …; ``email`` is what the metadata server answers."""

    kind: Kind = Kind.USER
    project: str = ""
    name: str = ""
    email: str = ""

"""What may be deployed: the rules of a model directory, and the replica that serves it."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from emulator.cluster import Bind, Isolation, Replica
from emulator.errors import Violation
from emulator.savedmodel import BINARY, SERVE, TEXT, SavedModel, SavedModelError

FIELD: Final = "version.deployment_uri"
MAX_FILES: Final = 1000
MLS1_BYTES: Final = 500 << 20  # the byte constants of both limits are [unverified]
N1_BYTES: Final = 10 << 30
MODEL_TARGET: Final = "/tmp/model/0001"  # noqa: S108 - where the service's own texts have it
SHIMS_TARGET: Final = "/cmle/shims"
CREATE_FAILED: Final = "Create Version failed. "
SERVER: Final = "server"  # the name of the one replica of a version's site


class Deployment(msgspec.Struct, frozen=True):
    """A version's server as it is to run. ``key`` is the version's full name.

    ``python`` is the interpreter of its runtime, ``binds`` what that needs beside the system,
    ``variables`` what it needs in its environment, ``image`` the container image that has it
    all where the runner runs images.
    """

    key: str
    model_dir: str
    python: str
    image: str = ""
    binds: tuple[Bind, ...] = ()
    variables: dict[str, str] = {}
    threads: int = 1
    memory_bytes: int | None = None


# ---- checked while the request waits


def file_violations(
    uri: str, files: Mapping[str, int], machine_type: str = ""
) -> Iterator[Violation]:
    """The rules that a deployment directory breaks; ``files`` are sizes by name below it."""
    directory = uri.rstrip("/") + "/"
    if len({BINARY, TEXT} & files.keys()) != 1:
        text = (
            f"Deployment directory {uri} is expected to contain exactly one of: [{BINARY}, {TEXT}]."
        )
        yield Violation(FIELD, " ".join(filter(None, [text, _hint(directory, files)])))
    limit = N1_BYTES if machine_type.startswith("n1-") else MLS1_BYTES
    if (total := sum(files.values())) > limit:
        yield Violation(
            FIELD,
            f"The total size of files in {uri} is {total} bytes, which exceeds the allowed "
            f"maximum of {limit} bytes",
        )
    if len(files) > MAX_FILES:  # this text is [unverified]
        yield Violation(
            FIELD,
            f"The number of files in {uri} is {len(files)}, which exceeds the allowed maximum of "
            f"{MAX_FILES}",
        )


def _hint(directory: str, files: Mapping[str, int]) -> str:
    """Where the model probably is, in our own words; empty without a clue."""
    if {BINARY, TEXT} <= files.keys():
        return "Both are there: delete the one that is not meant."
    below = {name.rpartition("/")[0] for name in files if name.rpartition("/")[2] in {BINARY, TEXT}}
    if below:
        # exports are named by their time: the last of the shallowest is the newest
        depth = min(name.count("/") for name in below)
        newest = max((n for n in below if n.count("/") == depth), key=lambda n: (len(n), n))
        others = f" (the newest of {len(below)} exports)" if len(below) > 1 else ""
        return f"There is a SavedModel below it: deploy {directory}{newest}/ instead{others}."
    if any(name.startswith("variables.") for name in files):
        parent = directory.rstrip("/").rpartition("/")[0]
        return f"These are the variables of a SavedModel: deploy {parent}/ instead."
    if "checkpoint" in files or any(name.endswith(".index") for name in files):
        return "These are checkpoints: a training's export folder has the SavedModel."
    return "" if files else "There is no object below this path."


# ---- checked while the operation runs; each answer is the whole text of Operation.error


def unreadable(error: SavedModelError, model_dir: str) -> str:
    """For a ``saved_model.pb`` that is none; ``model_dir`` is shown as the server sees it."""
    detail = str(error).replace(model_dir, MODEL_TARGET)
    return bad_model(f"Failed to load the model due to bad model data. tags: ['{SERVE}']\n{detail}")


def bad_model(detail: str) -> str:
    """For a model that its server cannot load."""
    return (
        f'{CREATE_FAILED}Bad model detected with error:  "Failed to load model: {detail} '
        f'(Error code: 0)"'
    )


def flaw(model: SavedModel) -> str | None:
    """What keeps a SavedModel from being served, or None."""
    graphs = model.tagged(SERVE)
    if len(graphs) != 1:
        return (
            f"{CREATE_FAILED}Model validation failed: SavedModel must contain exactly one "
            f"metagraph with tag: {SERVE} For more information on how to export Tensorflow "
            "SavedModel, see https://www.tensorflow.org/api_docs/python/tf/saved_model."
        )
    signatures = graphs[0].callable_signatures
    if not signatures:
        return bad_model("MetaGraph must have at least one signature_def.")
    for signature in signatures.values():
        for tensor in signature.outputs.values():
            if tensor.shape and tensor.shape[0] is not None:
                return (
                    f"{CREATE_FAILED}Model validation failed: Outer dimension for outputs must be "
                    f"unknown, outer dimension of '{tensor.name}' is {tensor.shape[0]}"
                )
    return None


# ---- the server


def socket_name(instance: str, site_id: str) -> str:
    """The abstract socket (without its leading NUL) that a version's server listens on."""
    return f"cmle-version-{instance}-{site_id}"


def server(
    deployment: Deployment, *, listen: str, work_dir: str, shims: str, isolation: Isolation
) -> Replica:
    """The replica that serves a deployment; it has no network, only its socket."""
    sandboxed = isolation != "none"
    code = SHIMS_TARGET if sandboxed else shims
    model = MODEL_TARGET if sandboxed else deployment.model_dir
    return Replica(
        name=SERVER,
        task=SERVER,
        argv=(deployment.python, "-I", "-B", "-u", f"{code}/prediction_server.py", model),
        env={
            "CUDA_VISIBLE_DEVICES": "-1",
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": str(deployment.threads),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            **deployment.variables,
        },
        work_dir=work_dir,
        binds=(
            Bind(deployment.model_dir, MODEL_TARGET),
            Bind(shims, SHIMS_TARGET),
            *deployment.binds,
        ),
        isolation=isolation,
        network=None,
        listen=(listen,),
        memory_bytes=deployment.memory_bytes,
        image=deployment.image,
    )

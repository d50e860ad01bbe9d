"""An export served in its runtime, in a process of its own, and asked what the rules ask."""

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from emulator.cluster import Isolation
from emulator.datadir import DataDir
from emulator.deployment import Deployment
from emulator.errors import ApiError
from emulator.exports import requests
from emulator.exports.evidence import Answer, Evidence, Serving, Wishes
from emulator.package_index import PackageIndex
from emulator.prediction import Limits, Predictions, ServerFailed
from emulator.progress import Progress, silent
from emulator.runners.process import ProcessRunner
from emulator.runtimes import Policy, Runtimes
from emulator.savedmodel import Signature

_KEY: Final = "projects/check/models/model/versions/v1"
_CHUNK: Final = 100
_TIMED: Final = 20  # requests that a latency is measured with
_LIMITS: Final = Limits(servers=1)
Ask = Callable[[Sequence[Any]], Awaitable[Answer]]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where runtimes are kept and how a server is isolated."""

    cache_dir: Path
    environment: Mapping[str, str]
    isolation: Isolation
    index: PackageIndex
    policy: Policy = "exact"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: instances, of which signature, and what is expected."""

    instances: Sequence[Any] = ()
    signature_name: str = ""
    wishes: Wishes = Wishes()


def serve(
    evidence: Evidence,
    folder: Path,
    session: Session,
    settings: Settings,
    progress: Progress = silent,
) -> Evidence:
    """The evidence with what the export's server did; ``folder`` holds all its files."""
    return asyncio.run(_serve(evidence, folder.resolve(), session, settings, progress))


async def _serve(
    evidence: Evidence, folder: Path, session: Session, settings: Settings, progress: Progress
) -> Evidence:
    target = evidence.target
    runtimes = Runtimes(
        settings.cache_dir,
        index=settings.index,
        environment=settings.environment,
        policy=settings.policy,
    )
    runtime = await runtimes.ensure(target.version, target.python, progress)
    deployment = Deployment(
        key=_KEY,
        model_dir=str(folder),
        python=runtime.python,
        binds=runtime.binds,
        variables=runtime.variables,
    )
    async with _predictions(settings.isolation) as predictions:
        try:
            await predictions.deploy(deployment)
        except ServerFailed as failure:
            serving = Serving(failure=str(failure), wishes=session.wishes)
        else:
            ask = partial(_ask, predictions, session.signature_name)
            serving = await asked(ask, evidence, session)
    warnings = (f"Serving: {runtime.warning}",) if runtime.warning else ()
    return msgspec.structs.replace(
        evidence, serving=serving, not_checked=(*evidence.not_checked, *warnings)
    )


@contextlib.asynccontextmanager
async def _predictions(isolation: Isolation) -> AsyncIterator[Predictions]:
    """A data directory of its own, gone with everything that ran on it when the block ends."""
    with tempfile.TemporaryDirectory(prefix="cmle-model-", ignore_cleanup_errors=True) as root:
        data = DataDir(Path(root))
        data.open()
        runner = ProcessRunner(data.root, data.instance, grace_s=5.0)
        predictions = Predictions(
            runner,
            instance=data.instance,
            sites_dir=data.sites,
            state_dir=data.models,
            isolation=isolation,
            limits=_LIMITS,
        )
        try:
            yield predictions
        finally:
            await predictions.close()
            await runner.stop_all(0.0)
            data.close()


async def asked(ask: Ask, evidence: Evidence, session: Session) -> Serving:
    """What a model that is served answers to all that the rules want to know."""
    signature = requests.chosen(evidence.signatures, session.signature_name)
    wishes = session.wishes
    instances = list(session.instances)
    singles = [await ask([instance]) for instance in instances[: requests.MOST_SINGLES]]
    singles += await _timed(ask, instances, singles, wishes)
    golden = wishes.golden
    recorded = [row.instance for row in wishes.recorded]
    return Serving(
        signature=signature,
        singles=tuple(singles),
        batch=await ask(instances) if instances else None,
        base64=await _as_base64(ask, instances, signature),
        wrong=await ask([requests.wrong(instances[0], signature)])
        if instances and signature and signature.inputs
        else None,
        golden=await ask(golden.instances) if golden else None,
        replayed=tuple(
            [await ask(recorded[at : at + _CHUNK]) for at in range(0, len(recorded), _CHUNK)]
        ),
        wishes=wishes,
    )


async def _timed(
    ask: Ask, instances: list[Any], singles: list[Answer], wishes: Wishes
) -> list[Answer]:
    """Further requests, where a latency is wanted: enough to speak of a percentile."""
    if wishes.latency_s is None or not instances:
        return []
    more = max(_TIMED + 1 - len(singles), 0)  # the first is not counted: it warms up
    return [await ask([instances[number % len(instances)]]) for number in range(more)]


async def _as_base64(
    ask: Ask, instances: list[Any], signature: Signature | None
) -> tuple[Answer, ...]:
    if signature is None:
        return ()
    encoded = [requests.in_base64(it, signature) for it in instances[: requests.MOST_BASE64]]
    return tuple([await ask([instance]) for instance in encoded if instance is not None])


async def _ask(predictions: Predictions, name: str, instances: Sequence[Any]) -> Answer:
    request = {"instances": list(instances), **({"signature_name": name} if name else {})}
    began = time.perf_counter()
    try:
        status, body = await predictions.predict(_KEY, json.dumps(request).encode())
        document = json.loads(body)
    except ApiError as error:
        status, document = error.http, error.envelope()
    except ValueError as error:
        status, document = 200, {"error": f"The answer is no JSON: {error}"}
    seconds = time.perf_counter() - began
    return Answer(instances=tuple(instances), status=status, document=document, seconds=seconds)

"""A check from its beginning: the request, the evidence, the rules."""

import msgspec

from emulator import isolation
from emulator.checks import request, verdict
from emulator.checks.choices import Choices
from emulator.checks.gather import Settings, gather
from emulator.checks.sources import Subject
from emulator.findings import Report
from emulator.package_index import PackageIndex
from emulator.progress import Progress
from emulator.runtimes import Runtimes


async def look(choices: Choices, subject: Subject, progress: Progress) -> Report:
    asked = request.read(choices.config, str(choices.config or ""), choices.training)
    asked = msgspec.structs.replace(asked, bucket_locations=choices.bucket_locations)
    index = (
        PackageIndex.of_wheelhouse(choices.wheelhouse)
        if choices.wheelhouse
        else PackageIndex.of_user(choices.environment)
    )
    level = isolation.choose(choices.isolation)
    settings = Settings(
        runtimes=Runtimes(
            choices.cache_dir,
            index=index,
            environment=choices.environment,
            policy=choices.runtime_policy,
        ),
        index=index,
        environment=choices.environment,
        isolation=level,
        imports=level == "namespaces" or choices.isolation == "none",
        deadline_s=choices.deadline_s,
    )
    evidence = await gather(subject, asked, settings, progress)
    return verdict.judge(evidence, choices.ignored)

"""What this emulator, on this machine, cannot do for a valid job: refused at submission."""

from collections.abc import Iterator

from emulator import accelerators, limits, unsupported
from emulator.catalog import Catalog
from emulator.errors import FailedPrecondition, Violation
from emulator.grounds import Grounds
from emulator.plan import plan
from emulator.resources import Job, TrainingInput, Version

NO_IMAGES = (
    "This emulator runs replicas as processes of its machine, which cannot run a container "
    "image ({image}). Start it with `cmle serve --runner docker`."
)


class Admission:
    """``api.services.Limits`` of an emulator that runs jobs on these grounds."""

    def __init__(self, grounds: Grounds) -> None:
        self._grounds = grounds

    def check_job(self, job: Job, catalog: Catalog) -> None:
        """Raise FailedPrecondition with everything in a valid job that cannot be done here."""
        unsupported.check_job(job, catalog)
        if job.training_input is not None:
            found = list(self._violations(job.job_id, job.training_input, catalog))
            if found:
                raise FailedPrecondition.of(*found)

    def check_version(self, version: Version, catalog: Catalog) -> None:
        unsupported.check_version(version, catalog)

    def _violations(
        self, job_id: str, spec: TrainingInput, catalog: Catalog
    ) -> Iterator[Violation]:
        terms, abilities = self._grounds.terms, self._grounds.runner.abilities
        laid_out = plan(job_id, spec, catalog, scale=terms.replica_scale)
        if laid_out.images and not abilities.images:
            text = NO_IMAGES.format(image=laid_out.images[0])
            yield Violation("master_config.image_uri", text)
        for reason in (
            accelerators.refusal(laid_out, abilities, terms.gpu),
            limits.refusal(laid_out, abilities, terms.limits),
        ):
            if reason is not None:
                yield Violation("scale_tier", reason)

"""``cmle new``: a trainer of one's own, begun as a copy of one that works."""

from pathlib import Path
from typing import Final

import click

from emulator.cli.options import format_option
from emulator.cli.output import done, show_rows
from emulator.errors import OperatorError

BUCKET: Final = "my-bucket"
NEXT: Final = """Copied the trainer {name} to {folder}. What to type next:
{data}
  cmle check {folder} --config={folder}/{config}
  cmle serve                                  # in another terminal
  cmle storage mb gs://{bucket}
{seed}  cmle jobs submit training first --config={folder}/job.yaml \\
      --package-path={folder}/trainer --module-name={module} \\
      --staging-bucket=gs://{bucket} --job-dir=gs://{bucket}/first --stream-logs"""
NEXT_IN_CONTAINER: Final = """Copied the trainer {name} to {folder}. What to type next:
  docker build --tag {image} {folder}
  cmle serve --runner=docker                  # in another terminal
  cmle storage mb gs://{bucket}
  cmle jobs submit training first --config={folder}/job.yaml \\
      --job-dir=gs://{bucket}/first --stream-logs"""


@click.command(name="new")
@click.argument("name", required=False)
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[DIR]")
@format_option
def new(*, name: str | None, folder: Path | None, form: str) -> None:
    """Copy the trainer NAME to DIR, a new folder; without arguments, list them."""
    from emulator.shipped import fixtures, title, trainers

    if name is None:
        rows = [{"name": key, "title": title(it)} for key, it in trainers().items()]
        show_rows(rows, {"NAME": "name", "WHAT IT DOES": "title"}, form)
        return
    source = fixtures(name)
    target = folder or Path(source.name if "/" not in name else name.partition("/")[0])
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise OperatorError(f"{target} is there already. Name a folder that is new or empty.")
    _copy(source, target)
    done(_next(name, target), {"name": name, "folder": str(target)}, form)


def _copy(source: Path, target: Path) -> None:
    """The folder, what lies beside the forms of one trainer, and a bucket in its jobs."""
    import shutil

    shutil.copytree(
        source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
    )
    for beside in source.parent.glob("*.py"):
        shutil.copy(beside, target)
    for config in target.glob("*.yaml"):
        config.write_text(config.read_text().replace("{bucket}", BUCKET))


def _next(name: str, folder: Path) -> str:
    import yaml

    job = yaml.safe_load((folder / "job.yaml").read_text())["trainingInput"]
    if image := (job.get("masterConfig") or {}).get("imageUri"):
        return NEXT_IN_CONTAINER.format(name=name, folder=folder, bucket=BUCKET, image=image)
    has_data = (folder / "generate.py").is_file()
    tunes = (folder / "tuning.yaml").is_file()
    return NEXT.format(
        name=name,
        folder=folder,
        bucket=BUCKET,
        module=job["pythonModule"],
        config="tuning.yaml  # job.yaml is one of its trials" if tunes else "job.yaml",
        data=f"  python3 {folder}/generate.py {folder}/data" if has_data else "",
        seed=f"  cmle seed gs://{BUCKET}/data {folder}/data\n" if has_data else "",
    ).replace(":\n\n", ":\n")

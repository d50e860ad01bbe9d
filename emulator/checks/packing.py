"""Which module a job runs, and why one that the user has is not in the archive."""

from emulator.checks.evidence import Evidence


def module_of(evidence: Evidence) -> str:
    """The module that the job runs: the request's, else the package's ``task``."""
    if named := evidence.request.training.python_module:
        return named
    modules = {source.module for source in evidence.sources}
    package = evidence.package
    for name in (f"{package}.task", f"{package}.main", f"{package}.train"):
        if name in modules:
            return name
    return package if f"{package}.__main__" in modules else ""


def why_missing(evidence: Evidence, module: str) -> str:
    """What to do so that a module is packed."""
    at_home = {source.module: source for source in evidence.sources}
    names = sorted(name for name in evidence.modules if name.startswith(f"{evidence.package}."))
    if module not in at_home:
        known = ", ".join(names) or "none"
        return f"No file of that name is there either. Modules that are packed: {known}."
    inside = at_home[module].inside
    folder = inside.rpartition("/")[0]
    folders = {source.inside.rpartition("/")[0] for source in evidence.sources}
    whole = {
        source.inside.rpartition("/")[0]
        for source in evidence.sources
        if source.inside.endswith("__init__.py")
    }
    parts = folder.split("/") if folder else []
    bare = next(
        (
            "/".join(parts[:count])
            for count in range(1, len(parts) + 1)
            if "/".join(parts[:count]) in folders - whole
        ),
        "",
    )
    if bare and not evidence.build.generated:
        return f"Add {bare}/__init__.py: find_packages() leaves out folders without one."
    if evidence.build.generated:
        return (
            "Write a setup.py with packages=find_packages() beside the package"
            f"{f' and add {bare}/__init__.py' if bare else ''}: the one that gcloud generates "
            f"packs the files that lie directly in {evidence.package}/ and nothing else."
        )
    if not folder:
        return f"Move {inside} into the package, or name it in setup.py: py_modules=[{module!r}]."
    return f"Add '{folder.replace('/', '.')}' to packages= in setup.py, or use find_packages()."

"""mlgit.yml as a value: everything that is mlgit's own and not an asset's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, has_errors
from reconciler.format.schemas import check
from reconciler.format.yaml import Document
from reconciler.model import Json

FILE = "mlgit.yml"
DEFAULT_TARGET = "default"


@dataclass(frozen=True, slots=True)
class Glob:
    """Files that may be assets, and whether apply runs the jobs among them."""

    pattern: str
    runs_on_change: bool = True


@dataclass(frozen=True, slots=True)
class Config:
    """What mlgit.yml says, defaults filled in. ``backends`` and ``compute`` map names to settings and to names."""

    state: str
    lineage: str
    store: str
    include: tuple[Glob, ...]
    exclude: tuple[str, ...]
    builder: str
    backends: Mapping[str, Mapping[str, Json]]
    compute: Mapping[str, str]
    submit_limit: int
    retries: int
    target: str = DEFAULT_TARGET

    def backend_of(self, compute: str) -> str:
        """Return the name of the backend that stands behind a compute asset, "" where none does."""
        return self.compute.get(compute) or self.compute.get("*", "")


def read(document: Document) -> tuple[Config | None, tuple[Diagnostic, ...]]:
    """Read mlgit.yml; no configuration where a diagnostic is an error."""
    problems = check(document, "mlgit") if document.data is not None else ()
    if document.data is None or has_errors(problems):
        return None, problems
    problems = tuple(_unknown_backends(document))
    return _config(document.data), problems


def _config(data: Json) -> Config:
    assets = data.get("assets", {})
    include = assets.get("include", [{"glob": "**/*.yml"}, {"glob": "**/*.yaml"}])
    return Config(
        state=data["state"]["name"],
        lineage=data["state"]["lineage"],
        store=data.get("store", {}).get("path", ".mlgit/store"),
        include=tuple(Glob(each["glob"], each.get("run", "on-change") == "on-change") for each in include),
        exclude=tuple(assets.get("exclude", ())),
        builder=data.get("builder", "venv"),
        backends=data.get("backends", {"local": {"type": "local"}}),
        compute=data.get("compute", {"*": "local"}),
        submit_limit=data.get("limits", {}).get("submit", 10),
        retries=data.get("retries", 2),
    )


def _unknown_backends(document: Document) -> list[Diagnostic]:
    config = _config(document.data)
    return [
        Diagnostic(
            "backend-unknown",
            f"compute {compute} is bound to {backend}, which backends does not name",
            document.value(f"/compute/{compute}"),
            f"backends there are: {', '.join(sorted(config.backends))}",
        )
        for compute, backend in config.compute.items()
        if backend not in config.backends
    ]

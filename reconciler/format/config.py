"""mlgit.yml as a value: everything that is mlgit's own and not an asset's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.diagnostics import Diagnostic, has_errors
from reconciler.format.lowering import LOWERABLE, OFF
from reconciler.format.pointers import find, join
from reconciler.format.requires import requires
from reconciler.format.schemas import check
from reconciler.format.suggest import did_you_mean
from reconciler.format.yaml import Document
from reconciler.model import NOTHING, Json

FILE = "mlgit.yml"
DEFAULT_TARGET = "default"
STORE = ".mlgit/store"


@dataclass(frozen=True, slots=True)
class Glob:
    """Files that may be assets, whether apply runs the jobs among them, and their kind where they do not tell it."""

    pattern: str
    runs_on_change: bool = True
    kind: str = ""


ANY = Glob("**")


@dataclass(frozen=True, slots=True)
class Config:
    """What mlgit.yml says, defaults filled in.

    ``backends`` and ``compute`` map names to settings and to names, ``rules`` codes of diagnostics to how much they
    matter here.
    """

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
    rules: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    target: str = DEFAULT_TARGET

    def backend_of(self, compute: str) -> str:
        """Return the name of the backend that stands behind a compute asset, "" where none does."""
        return self.compute.get(compute) or self.compute.get("*", "")


def read(document: Document) -> tuple[Config | None, tuple[Diagnostic, ...]]:
    """Read mlgit.yml; no configuration where a diagnostic is an error."""
    if document.data is None:
        return None, ()
    if unmet := tuple(requires(document)):
        return None, unmet  # another version's file may have fields that this one would not know
    document = _with_off(document)
    problems = check(document, "mlgit")
    if has_errors(problems):
        return None, problems
    return _config(document.data), (*_unknown_backends(document), *_fixed_rules(document))


def store_in(document: Document) -> str:
    """Return the folder of the store, if need be of a file that is wrong elsewhere."""
    path = find(document.data, ["store", "path"])
    return path if isinstance(path, str) else STORE


def _with_off(document: Document) -> Document:
    """Take the word off for what it is: YAML 1.1 reads it as false."""
    rules = find(document.data, ["rules"])
    if not isinstance(rules, dict):
        return document
    read = {code: OFF if level is False else level for code, level in rules.items()}
    return replace(document, data={**document.data, "rules": read})


def _config(data: Json) -> Config:
    assets = data.get("assets", {})
    include = assets.get("include", [{"glob": "**/*.yml"}, {"glob": "**/*.yaml"}])
    return Config(
        state=data["state"]["name"],
        lineage=data["state"]["lineage"],
        store=data.get("store", {}).get("path", STORE),
        include=tuple(
            Glob(each["glob"], each.get("run", "on-change") == "on-change", each.get("kind", "")) for each in include
        ),
        exclude=tuple(assets.get("exclude", ())),
        builder=data.get("builder", "venv"),
        backends=data.get("backends", {"local": {"type": "local"}}),
        compute=data.get("compute", {"*": "local"}),
        submit_limit=data.get("limits", {}).get("submit", 10),
        retries=data.get("retries", 2),
        rules=data.get("rules", NOTHING),
    )


def _unknown_backends(document: Document) -> list[Diagnostic]:
    config = _config(document.data)
    return [
        Diagnostic(
            "backend-unknown",
            f"compute {compute} is bound to {backend}, which backends does not name",
            document.value(join("compute", compute)),
            f"backends there are: {', '.join(sorted(config.backends))}",
        )
        for compute, backend in config.compute.items()
        if backend not in config.backends
    ]


def _fixed_rules(document: Document) -> Iterator[Diagnostic]:
    """Yield the rules that cannot be lowered, because nothing could go on, or because there is no such rule."""
    for code in _config(document.data).rules:
        if code not in LOWERABLE:
            hint = did_you_mean(code, sorted(LOWERABLE)) or "docs/format.md lists the rules that can be"
            yield Diagnostic("rule-fixed", f"{code} cannot be lowered", document.key(join("rules", code)), hint)

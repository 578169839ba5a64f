"""mlgit.yml as a value: everything that is mlgit's own and not an asset's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.config.moved import Rename, check_renames, parse_renames
from reconciler.config.targets import DEFAULT_TARGET as DEFAULT_TARGET
from reconciler.config.targets import (
    document_for_target,
    map_all_targets,
    target_lineage,
    target_names,
    unknown_target_diagnostic,
)
from reconciler.config.version import check_required_version
from reconciler.diagnostics import Diagnostic, has_errors
from reconciler.format.document import Document
from reconciler.format.include import IncludeGlob
from reconciler.format.pointers import find_value, join_pointer
from reconciler.format.schemas import check_against_schema
from reconciler.format.severity import OFF, OVERRIDABLE_CODES
from reconciler.format.suggest import did_you_mean
from reconciler.model import EMPTY_MAPPING, Json

CONFIG_FILE = "mlgit.yml"
DEFAULT_STORE_PATH = ".mlgit/store"


@dataclass(frozen=True, slots=True)
class Config:
    """What mlgit.yml says, defaults filled in.

    ``backends`` and ``compute`` map names to settings and to names, ``rules`` codes of diagnostics to how much they
    matter here. ``protect`` are globs of addresses, ``moved`` the assets that have another name than they had.
    ``remote`` is the name of the remote that shares the live state, "" for none; ``lease`` is in seconds;
    ``store_host`` is the one machine that has the store, "" where all have it. ``drift`` says, by kind or glob of
    addresses, what is done where the world is not as it is recorded (``planning.drift``). ``runs_per_day`` bounds how
    often the controller starts one job without a new commit. ``cancels_superseded`` says that a run is stopped once
    another has taken its place.
    """

    state: str
    lineage: str
    store: str
    include: tuple[IncludeGlob, ...]
    exclude: tuple[str, ...]
    builder: str
    backends: Mapping[str, Mapping[str, Json]]
    compute: Mapping[str, str]
    submit_limit: int
    retries: int
    rules: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    target: str = DEFAULT_TARGET
    remote: str = ""
    lease: float = 300
    store_host: str = ""
    protect: tuple[str, ...] = ()
    moved: tuple[Rename, ...] = ()
    drift: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    runs_per_day: int = 5
    cancel_superseded: bool = False

    def backend_of(self, compute: str) -> str:
        """Return the name of the backend that stands behind a compute asset, "" where none does."""
        return self.compute.get(compute) or self.compute.get("*", "")


def parse_config(document: Document, target: str = DEFAULT_TARGET) -> tuple[Config | None, tuple[Diagnostic, ...]]:
    """Read mlgit.yml as it is for a target; no configuration where a diagnostic is an error.

    What is wrong for another target is wrong too: the file is one.
    """
    if document.data is None:
        return None, ()
    if unmet := tuple(check_required_version(document)):
        return None, unmet  # another version's file may have fields that this one would not know
    document = map_all_targets(document, _restore_off_levels)
    problems = check_against_schema(document, "mlgit")
    if has_errors(problems):
        return None, problems
    known = {name: document_for_target(document, name) for name in target_names(document)}
    problems = tuple(
        dict.fromkeys(diagnostic for whole in known.values() for diagnostic in check_against_schema(whole, "mlgit"))
    )
    if has_errors(problems):
        return None, problems
    if target not in known:
        return None, (unknown_target_diagnostic(document, target),)
    wrong = tuple(dict.fromkeys(diagnostic for whole in known.values() for diagnostic in _check_semantics(whole)))
    moved = parse_renames(document) if not has_errors(wrong) else ()
    found = _build_config(known[target].data)
    return replace(found, moved=moved, target=target, lineage=target_lineage(found.lineage, target)), wrong


def _check_semantics(document: Document) -> Iterator[Diagnostic]:
    """Yield what the schema cannot see."""
    yield from _check_backend_names(document)
    yield from _check_rule_overrides(document)
    yield from check_renames(document)


def store_paths(document: Document) -> tuple[str, ...]:
    """Return the folders of the stores of all targets, if need be of a file that is wrong elsewhere."""
    if not isinstance(document.data, dict):
        return (DEFAULT_STORE_PATH,)
    found = (find_value(document_for_target(document, name).data, ["store", "path"]) for name in target_names(document))
    return tuple(dict.fromkeys(path if isinstance(path, str) else DEFAULT_STORE_PATH for path in found))


def _restore_off_levels(data: Json) -> Json:
    """Take the word off for what it is: YAML 1.1 reads it as false."""
    rules = find_value(data, ["rules"])
    if not isinstance(rules, dict):
        return data
    return {**data, "rules": {code: OFF if level is False else level for code, level in rules.items()}}


def _build_config(data: Json) -> Config:
    assets = data.get("assets", {})
    include = assets.get("include", [{"glob": "**/*.yml"}, {"glob": "**/*.yaml"}])
    return Config(
        state=data["state"]["name"],
        lineage=data["state"]["lineage"],
        store=data.get("store", {}).get("path", DEFAULT_STORE_PATH),
        include=tuple(
            IncludeGlob(each["glob"], each.get("run", "on-change") == "on-change", each.get("kind", ""))
            for each in include
        ),
        exclude=tuple(assets.get("exclude", ())),
        builder=data.get("builder", "venv"),
        backends=data.get("backends", {"local": {"type": "local"}}),
        compute=data.get("compute", {"*": "local"}),
        submit_limit=data.get("limits", {}).get("submit", 10),
        retries=data.get("retries", 2),
        rules=data.get("rules", EMPTY_MAPPING),
        remote=data["state"].get("remote", ""),
        lease=data["state"].get("lease", 300),
        store_host=data.get("store", {}).get("host", ""),
        protect=tuple(data.get("protect", ())),
        drift=data.get("drift", EMPTY_MAPPING),
        runs_per_day=data.get("limits", {}).get("runs_per_day", 5),
        cancel_superseded=data.get("on_supersede", "finish") == "cancel",
    )


def _check_backend_names(document: Document) -> list[Diagnostic]:
    config = _build_config(document.data)
    return [
        Diagnostic(
            "backend-unknown",
            f"compute {compute} is bound to {backend}, which backends does not name",
            document.value_span(join_pointer("compute", compute)),
            f"backends there are: {', '.join(sorted(config.backends))}",
        )
        for compute, backend in config.compute.items()
        if backend not in config.backends
    ]


def _check_rule_overrides(document: Document) -> Iterator[Diagnostic]:
    """Yield the rules that cannot be lowered, because nothing could go on, or because there is no such rule."""
    for code in _build_config(document.data).rules:
        if code not in OVERRIDABLE_CODES:
            hint = did_you_mean(code, sorted(OVERRIDABLE_CODES)) or "docs/format.md lists the rules that can be"
            yield Diagnostic(
                "rule-fixed", f"{code} cannot be lowered", document.key_span(join_pointer("rules", code)), hint
            )

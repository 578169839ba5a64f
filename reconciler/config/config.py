"""mlgit.yml parsed into a ``Config``, with the defaults and the checks that its JSON schema cannot make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from reconciler.config.moved import Rename, check_renames, parse_renames
from reconciler.config.patterns import check_patterns
from reconciler.config.rule_levels import check_rule_overrides, restore_off_levels
from reconciler.config.stores import FOLDER_STORE, store_folder, store_settings, store_type
from reconciler.config.targets import (
    DEFAULT_TARGET,
    TARGETS_KEY,
    check_reuse_targets,
    document_for_target,
    map_all_targets,
    reuse_targets,
    target_lineage,
    target_names,
    unknown_target_diagnostic,
)
from reconciler.config.version import check_required_version
from reconciler.diagnostics import Diagnostic, Span, has_errors
from reconciler.format.document import Document
from reconciler.format.include import IncludeGlob
from reconciler.format.pointers import join_pointer
from reconciler.format.schemas import check_against_schema
from reconciler.format.suggest import did_you_mean
from reconciler.model import DRIVER, EMPTY_MAPPING, Address, Json, ReuseTarget
from reconciler.model.secret_bindings import SecretBinding

CONFIG_FILE = "mlgit.yml"
AUTO_BUILDER = "auto"
FULL = "full"


class Config(NamedTuple):
    """The settings of mlgit.yml for one target, with defaults filled in.

    ``backends`` and ``builders`` map names to settings, ``compute`` names of compute assets to names of backends,
    ``rules`` codes of diagnostics to severities or ``off``. ``protect`` are globs of addresses, ``protect_spans`` where
    each stands. ``moved`` are the renames. ``remote`` is the name of the remote that shares the live state, "" for
    none. ``lease`` is in seconds. ``store`` is the folder of the store or, if the store is of another type, that of its
    cache, where this machine keeps what its runs need too. ``store_host`` is the machine that has the store, "" if all
    have it; ``store_settings`` are those of its type. ``drift`` maps kinds and globs of addresses to drift policies.
    ``runs_per_day`` limits how often the controller submits a job without a new commit. ``keep_experiments`` is for how
    many days an experiment is kept in the live state after its end, ``keep_reusable`` for how many days after its last
    use `mlgit gc` keeps what the store has only for reuse. ``cancel_superseded`` is whether a run is cancelled
    when another run of its job is submitted. ``targets`` are the names of all targets.
    ``providers`` maps kinds to the settings of the providers that make their assets; other kinds are recorded only.
    ``environments`` maps names of environments of registries to addresses of environments that replace them.
    ``mirrors`` are prefixes of URIs with what takes their place (``format.mirrors``). ``reuse_from`` are the targets
    whose runs and results of steps may be reused. ``builder`` maps globs of addresses to builders, or to ``auto``;
    ``locks`` maps addresses of environments to paths of locks of other tools, ``lock_spans`` to where that is written;
    ``imports`` maps globs of addresses to modules that each build has to be able to import.
    ``datastores`` maps names of datastores to the settings by which they are reached. ``secrets`` are the bindings of
    secrets to fields. ``verify`` maps globs of addresses to how remote data is pinned when it is registered.
    ``local_hosts`` are hosts of this machine, or of its link, that URLs of data may name.
    ``tracking`` is the MLflow registry that runs and models are mirrored into.
    """

    state: str
    lineage: str
    store: str
    include: tuple[IncludeGlob, ...]
    exclude: tuple[str, ...]
    builders: Mapping[str, Mapping[str, Json]]
    backends: Mapping[str, Mapping[str, Json]]
    compute: Mapping[str, str]
    submit_limit: int
    retries: int
    rules: Mapping[str, str] = EMPTY_MAPPING
    target: str = DEFAULT_TARGET
    remote: str = ""
    lease: float = 300
    store_host: str = ""
    store_type: str = FOLDER_STORE
    store_settings: Mapping[str, Json] = EMPTY_MAPPING
    protect: tuple[str, ...] = ()
    protect_spans: tuple[Span, ...] = ()
    moved: tuple[Rename, ...] = ()
    drift: Mapping[str, str] = EMPTY_MAPPING
    runs_per_day: int = 5
    keep_experiments: int = 30
    keep_reusable: int = 90
    cancel_superseded: bool = False
    providers: Mapping[str, Mapping[str, Json]] = EMPTY_MAPPING
    environments: Mapping[str, str] = EMPTY_MAPPING
    targets: tuple[str, ...] = (DEFAULT_TARGET,)
    mirrors: tuple[tuple[str, str], ...] = ()
    reuse_from: tuple[ReuseTarget, ...] = ()
    builder: Mapping[str, str] = EMPTY_MAPPING
    locks: Mapping[str, str] = EMPTY_MAPPING
    lock_spans: Mapping[str, Span] = EMPTY_MAPPING
    imports: Mapping[str, tuple[str, ...]] = EMPTY_MAPPING
    datastores: Mapping[str, Mapping[str, Json]] = EMPTY_MAPPING
    secrets: tuple[SecretBinding, ...] = ()
    verify: Mapping[str, str] = EMPTY_MAPPING
    local_hosts: tuple[str, ...] = ()
    tracking: Mapping[str, Json] = EMPTY_MAPPING

    def builders_of(self, address: Address) -> tuple[str, ...]:
        """Return the builders that may build an environment, in their order: all, or the one that ``builder:`` names.

        The longest glob that matches its address counts.
        """
        globs = [glob for glob in self.builder if fnmatchcase(str(address), glob)]
        name = self.builder[max(globs, key=len)] if globs else AUTO_BUILDER
        return tuple(self.builders) if name == AUTO_BUILDER else (name,)

    def imports_of(self, address: Address) -> tuple[str, ...]:
        """Return the modules that a build of an environment has to be able to import, of all globs that match."""
        matching = (names for glob, names in self.imports.items() if fnmatchcase(str(address), glob))
        return tuple(dict.fromkeys(name for names in matching for name in names))

    def is_fully_verified(self, address: Address) -> bool:
        """Return True if remote data is read and hashed when it is registered; the longest glob that matches counts."""
        globs = [glob for glob in self.verify if fnmatchcase(str(address), glob)]
        return bool(globs) and self.verify[max(globs, key=len)] == FULL

    def backend_of(self, compute: str) -> str:
        """Return the name of the backend that a compute asset is bound to, "" if none."""
        return self.compute.get(compute) or self.compute.get("*", "")

    def has_backend(self, name: str) -> bool:
        """Return True for a backend of mlgit.yml, and for the driver of pipelines and sweeps, which is always there."""
        return name == DRIVER or name in self.backends

    def has_store(self, host: str) -> bool:
        """Return True if a machine has the store."""
        return self.store_host in ("", host)

    def backend_host(self, backend: str) -> str:
        """Return the only machine that can ask a backend, "" if any can."""
        return self.store_host or str(self.backends.get(backend, {}).get("host", ""))

    def reachable_backends(self, host: str) -> Mapping[str, Mapping[str, Json]]:
        """Return the backends that a machine can ask; without the store it cannot read how a run ended."""
        return {name: backend for name, backend in self.backends.items() if self.backend_host(name) in ("", host)}


def parse_config(document: Document, target: str = DEFAULT_TARGET) -> tuple[Config | None, tuple[Diagnostic, ...]]:
    """Return the settings of a target and the diagnostics of mlgit.yml; no settings if a schema is not satisfied.

    The settings of all targets are checked, not only those of the given one.
    """
    if document.data is None:
        return None, ()
    if unmet := tuple(check_required_version(document)):
        return None, unmet  # the file may use fields of another version
    document = map_all_targets(document, restore_off_levels)
    diagnostics = check_against_schema(document, "mlgit")
    if has_errors(diagnostics):
        return None, diagnostics
    by_target = {name: document_for_target(document, name) for name in target_names(document)}
    diagnostics = _check_documents(by_target.values(), lambda merged: check_against_schema(merged, "mlgit"))
    if has_errors(diagnostics):
        return None, diagnostics
    if target not in by_target:
        return None, (unknown_target_diagnostic(document, target),)
    diagnostics = _check_documents(by_target.values(), _check_semantics)
    diagnostics = (*diagnostics, *check_reuse_targets(by_target))
    renames = parse_renames(document) if not has_errors(diagnostics) else ()
    config = _build_config(by_target[target].data)
    span_of = by_target[target].value_span
    protect_spans = tuple(span_of(join_pointer("protect", index)) for index in range(len(config.protect)))
    lock_spans = {address: span_of(join_pointer("locks", address)) for address in config.locks}
    lineage = target_lineage(config.lineage, target)
    config = config._replace(moved=renames, protect_spans=protect_spans, lock_spans=lock_spans)
    config = config._replace(target=target, lineage=lineage)
    return config._replace(targets=tuple(by_target), reuse_from=reuse_targets(by_target, target)), diagnostics


def lenient_config(document: Document) -> Config:
    """Return the settings of an mlgit.yml with errors, as far as each is valid by itself, to check the files with.

    If it requires another version of mlgit, it includes no files: they may be right for that version.
    """
    data = {"state": {"name": "state", "lineage": "0" * 32}}
    for key, value in document.data.items() if isinstance(document.data, dict) else ():
        candidate = replace(document, data={**data, key: value})
        if key != TARGETS_KEY and not has_errors(check_against_schema(candidate, "mlgit")):
            data = candidate.data
    config = _build_config(restore_off_levels(data))
    is_for_another_version = any(unmet.code == "requires-unmet" for unmet in check_required_version(document))
    return config._replace(include=()) if is_for_another_version else config


def _check_documents(
    documents: Iterable[Document], check: Callable[[Document], Iterable[Diagnostic]]
) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of all documents, each once: targets share most settings."""
    return tuple(dict.fromkeys(diagnostic for document in documents for diagnostic in check(document)))


def _check_semantics(document: Document) -> Iterator[Diagnostic]:
    """Yield the diagnostics that the schema cannot give."""
    yield from _check_backend_names(document)
    yield from _check_builder_names(document)
    yield from check_rule_overrides(document)
    yield from check_renames(document)
    yield from check_patterns(document)


def _build_config(data: Json) -> Config:
    assets, store = data.get("assets", {}), data.get("store", {})
    mirrors = tuple(data.get("mirrors", {}).items())
    include = assets.get("include", [{"glob": "**/*.yml"}, {"glob": "**/*.yaml"}])
    return Config(
        state=data["state"]["name"],
        lineage=data["state"]["lineage"],
        store=store_folder(store),
        include=tuple(
            IncludeGlob(entry["glob"], entry.get("run", "on-change") == "on-change", entry.get("kind", ""), mirrors)
            for entry in include
        ),
        exclude=tuple(assets.get("exclude", ())),
        builders=data.get("builders", {"venv": {"type": "venv"}}),
        backends=data.get("backends", {"local": {"type": "local"}}),
        compute=data.get("compute", {"*": "local"}),
        submit_limit=data.get("limits", {}).get("submit", 10),
        retries=data.get("retries", 2),
        rules=data.get("rules", EMPTY_MAPPING),
        remote=data["state"].get("remote", ""),
        lease=data["state"].get("lease", 300),
        store_host=store.get("host", ""),
        store_type=store_type(store),
        store_settings=store_settings(store),
        protect=tuple(data.get("protect", ())),
        drift=data.get("drift", EMPTY_MAPPING),
        runs_per_day=data.get("limits", {}).get("runs_per_day", 5),
        keep_experiments=data.get("keep_experiments", 30),
        keep_reusable=data.get("keep_reusable", 90),
        cancel_superseded=data.get("on_supersede", "finish") == "cancel",
        providers=data.get("providers", EMPTY_MAPPING),
        environments=data.get("environments", EMPTY_MAPPING),
        mirrors=mirrors,
        builder=_builder_by_glob(data.get("builder", AUTO_BUILDER)),
        locks=data.get("locks", EMPTY_MAPPING),
        imports={glob: tuple(names) for glob, names in data.get("imports", {}).items()},
        datastores=data.get("datastores", EMPTY_MAPPING),
        verify=data.get("verify", EMPTY_MAPPING),
        local_hosts=tuple(data.get("local_hosts", ())),
        tracking=data.get("tracking", EMPTY_MAPPING),
        secrets=tuple(
            SecretBinding(name, secret["from"], tuple(secret["for"]), tuple(secret["fields"]))
            for name, secret in data.get("secrets", {}).items()
        ),
    )


def _builder_by_glob(setting: Json) -> Mapping[str, str]:
    """Return ``builder:`` by globs of addresses; a name alone is for all environments."""
    return {"*": setting} if isinstance(setting, str) else setting


def _check_backend_names(document: Document) -> list[Diagnostic]:
    config = _build_config(document.data)
    message = f"no backend can be called {DRIVER}: mlgit runs pipelines and sweeps under that name"
    span = document.key_span(join_pointer("backends", DRIVER))
    reserved = [Diagnostic("backend-reserved", message, span, "give it another name")]
    return [
        *(reserved if DRIVER in config.backends else ()),
        *(
            Diagnostic(
                "backend-unknown",
                f"compute {compute} is bound to the unknown backend {backend}",
                document.value_span(join_pointer("compute", compute)),
                did_you_mean(backend, config.backends) or f"available backends: {', '.join(sorted(config.backends))}",
            )
            for compute, backend in config.compute.items()
            if backend not in config.backends
        ),
    ]


def _check_builder_names(document: Document) -> Iterator[Diagnostic]:
    """Yield the builders that ``builder:`` names and that ``builders:`` does not have."""
    config = _build_config(document.data)
    for glob, name in config.builder.items():
        if name != AUTO_BUILDER and name not in config.builders:
            is_single = isinstance(document.data["builder"], str)
            span = document.value_span("/builder" if is_single else join_pointer("builder", glob))
            hint = did_you_mean(name, config.builders) or f"builders: has {', '.join(config.builders)}"
            yield Diagnostic("builder-unknown", f"builder: names {name}, which is not in builders:", span, hint)

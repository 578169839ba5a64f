"""Everything that is wrong between the files of a workspace, which ``validate`` and ``plan`` report alike.

What the live state can still set right, such as a reference to an asset that only is live, is a warning of
``validate`` and an error of a plan for which it is not live. Only ``planning.plan`` finds what follows from the live
state alone: a version that is registered with other content, a version that does not exist, a broken limit.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from reconciler.config.config import Config
from reconciler.config.moved import final_renames
from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.assets import AssetSet, check_references, kind_of
from reconciler.format.dvc_pointers import find_dvc_tracked
from reconciler.model import Address, Asset, Blocked, LocalPath, Reference, Spec, Tree
from reconciler.planning.clusters import check_cluster_of_run, check_clusters
from reconciler.planning.compute import bound_backend
from reconciler.planning.computes import Computes, FindBackend
from reconciler.planning.data_places import Datastores
from reconciler.planning.datastores import given_datastores
from reconciler.planning.fit import find_misfits
from reconciler.planning.graph import ExistenceCheck, find_cycles
from reconciler.planning.job_outputs import missing_output
from reconciler.planning.moved import declaration_diagnostic
from reconciler.planning.preflight import check_run
from reconciler.planning.remote_paths import check_remote_paths
from reconciler.planning.resolve import label_message
from reconciler.planning.subjects import (
    distinct_diagnostics,
    lower_declared,
    problems_of_lowering,
    runs_of,
    subjects_of,
)
from reconciler.planning.support import SupportCheck, ignored_diagnostics, problem_diagnostics

_PATH_MISSING = "path-missing"
_ABSENT_CODES = frozenset({_PATH_MISSING, "path-outside"})


class LiveAssets(NamedTuple):
    """What of the live state counts for the files: which assets can be referenced, and which versions exist.

    ``removal_hints`` has a hint for each live asset that the plan removes.
    """

    referencable: Container[Address]
    exists: ExistenceCheck
    removal_hints: Mapping[Address, str]


def check_files_together(
    declared: AssetSet, config: Config, tree: Tree | None, live: LiveAssets | None = None
) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of all files, those across files included, sorted by position.

    Without ``live`` the live state is not known. Without ``tree`` the files are on disk, not in Git.
    """
    diagnostics = [*_check_paths(declared, tree, live)] if tree is not None else [*declared.diagnostics]
    referencable, hints = (live.referencable, live.removal_hints) if live else (None, None)
    backend_of, given = partial(bound_backend, config), given_datastores(config)
    diagnostics += check_references(declared, referencable, hints, backend_of, given)
    diagnostics += find_cycles(declared, live.exists) if live else find_cycles(declared)
    diagnostics += () if live else _check_renames(declared, config)
    diagnostics += check_clusters(declared, config)
    reported = {diagnostic.span for diagnostic in diagnostics}
    for asset in declared.readable_assets.values():
        diagnostics += (item for item in _check_references(declared, asset) if item.span not in reported)
        diagnostics += check_remote_paths(declared, asset, config)
    return sort_diagnostics(diagnostics)


def check_runs(
    declared: AssetSet, assets: Iterable[Asset], config: Config, reported: Iterable[Diagnostic] = ()
) -> Iterator[Diagnostic]:
    """Yield why runs of declared jobs could not start; what is ``reported`` already at its place is left out."""
    spans = {diagnostic.span for diagnostic in reported}
    datastores = Datastores(config, declared.readable_assets, known=declared.known)
    for asset in assets:
        kind = kind_of(asset)
        if kind.is_runnable and kind.is_supported(asset.spec):
            lowering = lower_declared(declared, asset)
            problems = [*problems_of_lowering(declared, asset, lowering)]
            for subject in runs_of(asset, lowering.graph):
                problems += check_cluster_of_run(declared, subject, config)
                problems += check_run(declared, subject, datastores, partial(_declared_target, declared))
            for item in distinct_diagnostics(problems):
                if item.span not in spans:
                    yield item._replace(severity=_refusal_severity(asset))


def check_supported(
    declared: AssetSet, assets: Iterable[Asset], check: SupportCheck, computes: Computes
) -> Iterator[Diagnostic]:
    """Yield what the providers of some of the declared assets refuse and ignore of them, and runs that cannot fit."""
    for asset in assets:
        diagnostics: list[Diagnostic] = []
        graph, severity, kind = lower_declared(declared, asset).graph, _refusal_severity(asset), kind_of(asset)
        for subject in subjects_of(asset, graph):
            report = check(subject.asset, True)
            diagnostics += problem_diagnostics(declared, subject, report.problems, severity)
            diagnostics += ignored_diagnostics(declared, subject, report)
        if kind.is_runnable and kind.is_supported(asset.spec):
            for subject, problem in find_misfits(computes, asset, graph):
                diagnostics += problem_diagnostics(declared, subject, [problem], severity)
        yield from distinct_diagnostics(diagnostics)


def declared_computes(declared: AssetSet, config: Config, find_backend: FindBackend) -> Computes:
    """Return the computes that files declare, in a target."""

    def find_spec(address: Address) -> Spec | None:
        asset = declared.readable_assets.get(address)
        return asset.spec if asset else None

    return Computes(config, find_backend, find_spec)


def check_recorded_only(declared: AssetSet) -> Iterator[Diagnostic]:
    """Yield a note for each reason for which no provider realises assets, at the first of them and with the others."""
    spans: dict[tuple[str, str], list[Span]] = {}
    for asset in declared.readable_assets.values():
        if reason := kind_of(asset).recorded_only_reason(asset.spec):
            span = declared.value_span(asset, "/type")
            spans.setdefault((asset.address.kind, reason), []).append(span)
    for (_, reason), places in spans.items():
        first, *others = sorted(places)
        yield Diagnostic(
            "recorded-only", f"recorded only: {reason}", first, severity=Severity.NOTE, places=tuple(others)
        )


def find_unsupported(declared: AssetSet, config: Config, check: SupportCheck, computes: Computes) -> Iterator[Blocked]:
    """Yield the declared assets that the providers of one target would not realise, with the reasons.

    Of a file with errors only the kind and the type of its asset are certain.
    """
    for asset in declared.readable_assets.values():
        kind = kind_of(asset)
        if reason := kind.recorded_only_reason(asset.spec):
            yield Blocked(asset.address, reason, recorded_only=str(asset.spec.get("type", "")) or kind.name)
        if reason or asset.address not in declared.assets:
            continue
        problems = [*check_runs(declared, [asset], config), *check_supported(declared, [asset], check, computes)]
        refusals = sort_diagnostics(problems)
        refusals = tuple(item for item in refusals if item.severity is _refusal_severity(asset))
        if refusals:
            yield Blocked(asset.address, refusals[0].message, manual=kind.is_runnable, refusals=refusals)


def _refusal_severity(asset: Asset) -> Severity:
    """Return an error for what a plan would realise if nothing was live, a note for a job that runs on request only."""
    return Severity.NOTE if kind_of(asset).is_runnable and not asset.runs_on_change else Severity.ERROR


def sort_diagnostics(diagnostics: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return diagnostics by position, each once; those without one come first."""
    return tuple(sorted(dict.fromkeys(diagnostics), key=lambda diagnostic: diagnostic.span or Span("", 0, 0)))


def _check_references(declared: AssetSet, asset: Asset) -> Iterator[Diagnostic]:
    """Yield what is wrong between an asset and those that it refers to."""
    for reference in asset.references:
        if problem := _reference_problem(declared, reference):
            span = declared.value_span(asset, reference.pointer)
            yield Diagnostic("reference-unresolved", problem[0], span, problem[1])


def _reference_problem(declared: AssetSet, reference: Reference) -> tuple[str, str] | None:
    """Return what is wrong with a reference to something that is declared, and a hint."""
    target = declared.assets.get(reference.address)
    if target is None:
        return None
    if not reference.output:
        return label_message(reference)
    return missing_output(reference, target.spec, lower_declared(declared, target).graph)


def _declared_target(declared: AssetSet, reference: Reference) -> Asset | None:
    """Return the declared asset that a reference stands for; None if it may be a version that is only live."""
    target = declared.assets.get(reference.address)
    is_declared = target is not None and reference.version in ("", target.version)
    return target if is_declared else None


def _check_renames(declared: AssetSet, config: Config) -> Iterator[Diagnostic]:
    """Yield the renames that the files contradict: warnings, because the asset may never have been live."""
    for rename in final_renames(config.moved).values():
        if diagnostic := declaration_diagnostic(declared, rename):
            yield diagnostic._replace(severity=Severity.WARNING)


def _check_paths(declared: AssetSet, tree: Tree, live: LiveAssets | None) -> Iterator[Diagnostic]:
    """Yield the diagnostics of the files, those of missing paths as errors of a plan.

    That is for paths of assets that a provider supports: what they name must be in Git.
    """
    severity = Severity.ERROR if live else Severity.WARNING
    missing = dict(_missing_paths(declared, tree))
    reported: set[Span] = set()
    for diagnostic in declared.diagnostics:
        if diagnostic.code in _ABSENT_CODES and diagnostic.span in missing:
            reported.add(diagnostic.span)
            yield diagnostic._replace(severity=min(diagnostic.severity, severity, key=list(Severity).index))
        else:
            yield diagnostic
    known = {diagnostic.span for diagnostic in declared.diagnostics}
    for span, path in missing.items():
        if span not in reported | known:
            message = f"path {path.text} not found: {tree.display_path(path.path)} does not exist"
            yield Diagnostic(_PATH_MISSING, message, span, _missing_path_hint(path), severity)


def _missing_path_hint(path: LocalPath) -> str:
    if "://" in path.text:
        return "add the file there, or change mirrors: in mlgit.yml, which maps the URI to it"
    return "paths are relative to the folder of this file; files that .gitignore excludes are not in Git"


def _missing_paths(declared: AssetSet, tree: Tree) -> Iterator[tuple[Span, LocalPath]]:
    for asset in declared.readable_assets.values():
        for path in asset.paths if kind_of(asset).is_supported(asset.spec) else ():
            if not tree.exists(path.path) and find_dvc_tracked(tree, path.path) is None:
                yield declared.value_span(asset, path.pointer), path

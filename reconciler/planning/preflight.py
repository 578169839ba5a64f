"""What a run would need and nothing here can give it yet: said when planning, at its line, not by a run that fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.format.pointers import escape_key
from reconciler.model import Action, Asset, Json, Op, Record, ResolvedAsset, ResolvedReference
from reconciler.planning.resolve import PlanContext

_ENVIRONMENT_POINTER = "/environment"
_DIRECT_MODE = "direct"  # the mode in which the job gets a URI and reads it by itself


def preflight_diagnostics(view: PlanContext, action: Action) -> Iterator[Diagnostic]:
    """Yield why a run that a plan would submit could not be made ready; nothing for other actions."""
    if action.op is Op.SUBMIT and action.resolved is not None:
        backend = action.run.backend if action.run else ""
        yield from _environment_diagnostics(view, action.resolved)
        yield from _unreachable_input_diagnostics(view, action.resolved, backend)


def _environment_diagnostics(view: PlanContext, node: ResolvedAsset) -> Iterator[Diagnostic]:
    """Yield an environment that no asset of this workspace is: a builder makes those only."""
    asset = node.asset
    if any(reference.pointer == _ENVIRONMENT_POINTER for reference in asset.references):
        return
    given = asset.spec.get("environment")
    what = "none" if given is None else given if isinstance(given, str) else "one that is written in the job"
    message = f"{asset.address} needs an environment of this workspace, and names {what}"
    hint = "declare the environment in a file of its own and write environment: azureml:NAME@latest"
    place = view.declared.documents[asset.source].value_span(_ENVIRONMENT_POINTER)
    yield Diagnostic("environment-form", message, place, hint)


def _unreachable_input_diagnostics(view: PlanContext, node: ResolvedAsset, backend: str) -> Iterator[Diagnostic]:
    for pointer, uri in _uris_to_fetch(view, node):
        by = f"backend {backend}" if backend else "the backend of this job"
        message = f"{uri} is not reachable by {by} yet"
        hint = "put the content into the repository, or let the job read the URI by itself: mode: direct"
        yield Diagnostic(
            "input-unreachable", message, view.declared.documents[node.asset.source].value_span(pointer), hint
        )


def _uris_to_fetch(view: PlanContext, node: ResolvedAsset) -> Iterator[tuple[str, str]]:
    """Yield pointer and URI of what would have to be fetched for a run."""
    code = node.asset.spec.get("code")
    if isinstance(code, str) and "/code" not in node.contents:
        yield "/code", code
    inputs = node.asset.spec.get("inputs")
    for name, given in inputs.items() if isinstance(inputs, Mapping) else ():
        if isinstance(given, Mapping) and isinstance(given.get("path"), str) and given.get("mode") != _DIRECT_MODE:
            pointer = f"/inputs/{escape_key(str(name))}/path"
            uri = _input_uri(view, node, pointer, given["path"])
            if uri:
                yield pointer, uri


def _input_uri(view: PlanContext, node: ResolvedAsset, pointer: str, text: str) -> str:
    """Return the URI that an input is, itself or the data that it names; "" where its content is at hand."""
    if pointer in node.contents:
        return ""
    reference = node.references.get(pointer)
    if reference is None:
        known_later = any(reference.pointer == pointer for reference in node.asset.references)
        return "" if known_later else text
    return "" if reference.output else _target_uri(_target_asset(view, reference))


def _target_asset(view: PlanContext, reference: ResolvedReference) -> Asset | Record | None:
    """Return what a reference stands for: as declared where that is its version, else as recorded."""
    declared = view.declared.assets.get(reference.address)
    if declared is not None and view.planned_states[reference.address].version == reference.version:
        return declared
    return view.state.find_version(reference.address, reference.version) or view.state.current.get(reference.address)


def _target_uri(target: Asset | Record | None) -> str:
    if target is None:
        return ""
    path: Json = target.spec.get("path")
    if isinstance(target, Asset):
        held = {path.pointer for path in target.paths} | {reference.pointer for reference in target.references}
    else:
        held = {*target.contents, *target.references}
    return path if isinstance(path, str) and "/path" not in held else ""

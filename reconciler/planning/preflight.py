"""Preflight checks of submissions: what a run needs and no provider can give it is an error of the plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.format.pointers import escape_key
from reconciler.model import Action, Asset, Json, Op, Record, ResolvedAsset, ResolvedReference
from reconciler.planning.resolve import PlanContext

_ENVIRONMENT_POINTER = "/environment"
_DIRECT_MODE = "direct"  # the mode in which the job gets a URI and reads it itself


def preflight_diagnostics(context: PlanContext, action: Action) -> Iterator[Diagnostic]:
    """Yield why the run of a submission could not start; nothing for other actions."""
    if action.op is Op.SUBMIT and action.resolved is not None:
        backend = action.run.backend if action.run else ""
        yield from _environment_diagnostics(context, action.resolved)
        yield from _unreachable_input_diagnostics(context, action.resolved, backend)


def _environment_diagnostics(context: PlanContext, resolved: ResolvedAsset) -> Iterator[Diagnostic]:
    """Yield an environment that is no asset of this workspace: builders make only those."""
    asset = resolved.asset
    if any(reference.pointer == _ENVIRONMENT_POINTER for reference in asset.references):
        return
    environment = asset.spec.get("environment")
    inline = "one that is written in the job"
    name = "none" if environment is None else environment if isinstance(environment, str) else inline
    message = f"{asset.address} needs an environment that this workspace declares, but names {name}"
    hint = "declare the environment in a file of its own and write environment: azureml:NAME@latest"
    span = context.declared.documents[asset.source].value_span(_ENVIRONMENT_POINTER)
    yield Diagnostic("environment-form", message, span, hint)


def _unreachable_input_diagnostics(context: PlanContext, resolved: ResolvedAsset, backend: str) -> Iterator[Diagnostic]:
    for pointer, uri in _uris_to_fetch(context, resolved):
        name = f"backend {backend}" if backend else "the backend of this job"
        message = f"{name} cannot download URI inputs: {uri}"
        hint = "put the content into the repository, or let the job read the URI itself: mode: direct"
        span = context.declared.documents[resolved.asset.source].value_span(pointer)
        yield Diagnostic("input-unreachable", message, span, hint)


def _uris_to_fetch(context: PlanContext, resolved: ResolvedAsset) -> Iterator[tuple[str, str]]:
    """Yield pointer and URI of each input that would have to be downloaded for a run."""
    code = resolved.asset.spec.get("code")
    if isinstance(code, str) and "/code" not in resolved.contents:
        yield "/code", code
    inputs = resolved.asset.spec.get("inputs")
    for name, value in inputs.items() if isinstance(inputs, Mapping) else ():
        if isinstance(value, Mapping) and isinstance(value.get("path"), str) and value.get("mode") != _DIRECT_MODE:
            pointer = f"/inputs/{escape_key(str(name))}/path"
            uri = _input_uri(context, resolved, pointer, value["path"])
            if uri:
                yield pointer, uri


def _input_uri(context: PlanContext, resolved: ResolvedAsset, pointer: str, text: str) -> str:
    """Return the URI of an input or of the data that it references; "" if its content is in Git or the store."""
    if pointer in resolved.contents:
        return ""
    reference = resolved.references.get(pointer)
    if reference is None:
        is_reference = any(reference.pointer == pointer for reference in resolved.asset.references)
        return "" if is_reference else text
    return "" if reference.output else _target_uri(_target_asset(context, reference))


def _target_asset(context: PlanContext, reference: ResolvedReference) -> Asset | Record | None:
    """Return the target of a reference: the declared asset if that is its version, else the record."""
    declared = context.declared.assets.get(reference.address)
    if declared is not None and context.planned_states[reference.address].version == reference.version:
        return declared
    return context.state.find_version(reference.address, reference.version) or context.state.current.get(
        reference.address
    )


def _target_uri(target: Asset | Record | None) -> str:
    if target is None:
        return ""
    uri: Json = target.spec.get("path")
    if isinstance(target, Asset):
        known = {path.pointer for path in target.paths} | {reference.pointer for reference in target.references}
    else:
        known = {*target.contents, *target.references}
    return uri if isinstance(uri, str) and "/path" not in known else ""

"""What a run would need and nothing here can give it yet: said when planning, at its line, not by a run that fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.format.pointers import escape
from reconciler.model import Action, Asset, Json, Node, Op, Record, Resolved
from reconciler.planning.outlook import View

_ENVIRONMENT = "/environment"
_AS_IT_IS = "direct"  # the mode in which the job gets a URI and reads it by itself


def obstacles(view: View, action: Action) -> Iterator[Diagnostic]:
    """Yield why a run that a plan would submit could not be made ready; nothing for other actions."""
    if action.op is Op.SUBMIT and action.node is not None:
        backend = action.run.backend if action.run else ""
        yield from _environment(view, action.node)
        yield from _far_away(view, action.node, backend)


def _environment(view: View, node: Node) -> Iterator[Diagnostic]:
    """Yield an environment that no asset of this workspace is: a builder makes those only."""
    asset = node.asset
    if any(each.pointer == _ENVIRONMENT for each in asset.references):
        return
    given = asset.spec.get("environment")
    what = "none" if given is None else given if isinstance(given, str) else "one that is written in the job"
    message = f"{asset.address} needs an environment of this workspace, and names {what}"
    hint = "declare the environment in a file of its own and write environment: azureml:NAME@latest"
    place = view.declared.documents[asset.source].value(_ENVIRONMENT)
    yield Diagnostic("environment-form", message, place, hint)


def _far_away(view: View, node: Node, backend: str) -> Iterator[Diagnostic]:
    for pointer, uri in _uris(view, node):
        by = f"backend {backend}" if backend else "the backend of this job"
        message = f"{uri} is not reachable by {by} yet"
        hint = "put the content into the repository, or let the job read the URI by itself: mode: direct"
        yield Diagnostic("input-unreachable", message, view.declared.documents[node.asset.source].value(pointer), hint)


def _uris(view: View, node: Node) -> Iterator[tuple[str, str]]:
    """Yield pointer and URI of what would have to be fetched for a run."""
    code = node.asset.spec.get("code")
    if isinstance(code, str) and "/code" not in node.contents:
        yield "/code", code
    inputs = node.asset.spec.get("inputs")
    for name, given in inputs.items() if isinstance(inputs, Mapping) else ():
        if isinstance(given, Mapping) and isinstance(given.get("path"), str) and given.get("mode") != _AS_IT_IS:
            pointer = f"/inputs/{escape(str(name))}/path"
            uri = _uri(view, node, pointer, given["path"])
            if uri:
                yield pointer, uri


def _uri(view: View, node: Node, pointer: str, text: str) -> str:
    """Return the URI that an input is, itself or the data that it names; "" where its content is at hand."""
    if pointer in node.contents:
        return ""
    reference = node.references.get(pointer)
    if reference is None:
        known_later = any(each.pointer == pointer for each in node.asset.references)
        return "" if known_later else text
    return "" if reference.output else _uri_of(_target(view, reference))


def _target(view: View, reference: Resolved) -> Asset | Record | None:
    """Return what a reference stands for: as declared where that is its version, else as recorded."""
    declared = view.declared.assets.get(reference.address)
    if declared is not None and view.outlooks[reference.address].version == reference.version:
        return declared
    return view.live.version(reference.address, reference.version) or view.live.current.get(reference.address)


def _uri_of(target: Asset | Record | None) -> str:
    if target is None:
        return ""
    path: Json = target.spec.get("path")
    if isinstance(target, Asset):
        held = {each.pointer for each in target.paths} | {each.pointer for each in target.references}
    else:
        held = {*target.contents, *target.references}
    return path if isinstance(path, str) and "/path" not in held else ""

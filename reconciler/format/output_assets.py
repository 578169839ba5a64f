"""What a job registers: each of its outputs with a name is an asset, a model or data, which the job's file declares.

The asset is the one that a file of its own would declare with the output as its path. That of a step of a pipeline is
``STEP.OUTPUT``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic
from reconciler.format.document import Document
from reconciler.format.expressions import parse_binding
from reconciler.format.inlining import find_place
from reconciler.format.kinds import kind_by_name
from reconciler.format.kinds.data import KIND as DATA
from reconciler.format.kinds.model import KIND as MODEL
from reconciler.format.nodes import COMPONENT_FIELDS, Keys
from reconciler.format.pointers import join_pointer
from reconciler.model import Address, Asset, FileReader, Json, Reference, Spec

_JOBS, _OUTPUTS, _TYPE, _NAME, _VERSION, _PATH = "jobs", "outputs", "type", "name", "version", "path"
_DEFAULT_TYPE = "uri_folder"
_KINDS = (MODEL, DATA)


class NamedOutput(NamedTuple):
    """An output with a name: its keys in the spec of the job, how references name it, and what is said of it.

    ``type`` is "" if that is in no file: a component that a reference names decides it.
    """

    keys: Keys
    output: str
    fields: Spec
    type: str

    @property
    def kind(self) -> str:
        """The kind of the asset, "" if nothing of the type can be registered."""
        return next((kind.name for kind in _KINDS if self.type in kind.types), "")


def find_named_outputs(spec: Spec) -> Iterator[NamedOutput]:
    """Yield the outputs with a name of a job, of the steps in it, and of those in nested pipelines."""
    yield from _walk_outputs(spec, (), "", {})


def _walk_outputs(node: Spec, keys: Keys, path: str, pipeline: Spec) -> Iterator[NamedOutput]:
    """Yield the outputs of a node and of those in it; ``pipeline`` is the one that the node is in."""
    for name, fields in _mapping(node, _OUTPUTS).items():
        if isinstance(fields, Mapping) and isinstance(fields.get(_NAME), str):
            yield NamedOutput((*keys, _OUTPUTS, name), f"{path}{name}", fields, _output_type(node, name, pipeline))
    field = next((field for field in COMPONENT_FIELDS if isinstance(node.get(field), Mapping)), "")
    inner, inner_keys = (node[field], (*keys, field)) if field else (node, keys)
    for name, child in _mapping(inner, _JOBS).items():
        if isinstance(child, Mapping):
            yield from _walk_outputs(child, (*inner_keys, _JOBS, name), f"{path}{name}.", node)


def _output_type(node: Spec, name: str, pipeline: Spec) -> str:
    """Return the type of an output: as the node says, its component, or what it is bound to; "" if no file says it."""
    said = _said_type(node, name)
    if said is not None:
        return said
    if bound := _bound_name(_mapping(node, _OUTPUTS)[name]):
        return _said_type(pipeline, bound) or ""
    for child in _mapping(node, _JOBS).values():
        for inner, value in _mapping(child, _OUTPUTS).items():
            if _bound_name(value) == name:
                return _said_type(child, inner) or ""
    return _DEFAULT_TYPE


def _said_type(node: Spec, name: str) -> str | None:
    """Return the type that a node or its component says; "" if the component is in no file, None if nothing says it."""
    if said := _mapping(node, _OUTPUTS, name).get(_TYPE):
        return str(said).lower()
    component: Json = next((node[field] for field in COMPONENT_FIELDS if field in node), {})
    return _said_type(component, name) if isinstance(component, Mapping) and component else "" if component else None


def _bound_name(value: Json) -> str:
    """Return the output of the pipeline to which an output of a node is bound, "" for none."""
    expression = parse_binding(value.get(_PATH) if isinstance(value, Mapping) else value)
    names = expression.path if expression else ()
    names = names[1:] if names[:1] == ("parent",) else names
    return ".".join(names[1:]) if names[:1] == (_OUTPUTS,) else ""


def _mapping(value: Json, *keys: str) -> Spec:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def assets_of_outputs(job: Asset) -> tuple[Asset, ...]:
    """Return the assets that are registered from the outputs of an asset, if it is a job that can be run."""
    kind = kind_by_name(job.address.kind)
    if not (kind.is_runnable and kind.is_supported(job.spec)):
        return ()
    return tuple(_make_asset(job, output) for output in find_named_outputs(job.spec) if output.kind)


def _make_asset(job: Asset, output: NamedOutput) -> Asset:
    uri = f"azureml://jobs/{job.address.name}/outputs/{output.output}/paths/"
    spec = {name: output.fields[name] for name in (_NAME, _VERSION) if name in output.fields}
    spec |= {_TYPE: output.type, _PATH: uri}
    reference = Reference(f"/{_PATH}", uri, job.address, output=output.output)
    address, version = Address(output.kind, spec[_NAME]), str(spec.get(_VERSION, ""))
    return Asset(address, spec, job.source, version, (reference,), place=join_pointer(*output.keys))


def place_in_file(asset: Asset, pointer: str) -> str:
    """Return the pointer in a file of a value in the spec of an asset; the path of an output is its name there."""
    return f"{asset.place}{f'/{_NAME}' if pointer == f'/{_PATH}' else pointer}" if asset.place else pointer


def possible_addresses(kind_name: str, spec: Spec) -> tuple[Address, ...]:
    """Return what a file of a kind may register from outputs, by its own text: the type may be in another file."""
    if not kind_by_name(kind_name).is_runnable:
        return ()
    return tuple(
        Address(kind, str(output.fields[_NAME]))
        for output in find_named_outputs(spec)
        for kind in ([output.kind] if output.type else [kind.name for kind in _KINDS])
        if kind
    )


def find_unregistrable_outputs(job: Asset, document: Document, files: FileReader) -> Iterator[Diagnostic]:
    """Yield the outputs of a job that have a name and a type that nothing can be registered with, at the name."""
    kind = kind_by_name(job.address.kind)
    for output in find_named_outputs(job.spec) if kind.is_runnable and kind.is_supported(job.spec) else ():
        if output.kind:
            continue
        types = ", ".join(name for kind in _KINDS for name in sorted(kind.types))
        if output.type:
            message = f"an output of the type {output.type} cannot be registered as {output.fields[_NAME]}"
            hint = f"remove its name, or give it one of the types {types}"
        else:
            message = f"no file says the type of the output that is registered as {output.fields[_NAME]}"
            hint = f"write type: beside the name, one of {types}"
        place = find_place(document, job.source, join_pointer(*output.keys, _NAME), files)
        yield Diagnostic("output-type", message, place[0].value_span(place[1]), hint)

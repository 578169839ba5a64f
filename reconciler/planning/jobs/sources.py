"""The specs that steps are made of, and copies of their parts that keep contents, references and places.

A part of a step is written in the job itself, also where the content of a component file stands in it, or in a version
of a registered component. ``StepDraft`` collects the parts of one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.format.pointers import escape_key, join_pointer
from reconciler.model import (
    Address,
    Asset,
    Json,
    LocalPath,
    Reference,
    ResolvedAsset,
    ResolvedReference,
    Spec,
)
from reconciler.model.resolved import StepOutput, VersionPath


class ComponentVersion(NamedTuple):
    """A version of a registered component, with its contents and references by JSON pointer."""

    address: Address
    version: str
    spec: Spec
    contents: Mapping[str, str]
    references: Mapping[str, ResolvedReference]


FindComponent = Callable[[ResolvedReference], ComponentVersion | None]


def no_component(_reference: ResolvedReference) -> ComponentVersion | None:
    """Return that a component is not known."""
    return None


class Source(NamedTuple):
    """A spec that parts of steps come from: that of the job, or of a registered component.

    ``place`` is the JSON pointer in the spec of the job where the component is named, and ``trail`` has the versions
    inside of which it is; both are empty for the job itself.
    """

    spec: Spec
    contents: Mapping[str, str]
    targets: Mapping[str, ResolvedReference]
    references: Mapping[str, Reference]
    paths: Mapping[str, LocalPath]
    version: ComponentVersion | None = None
    place: str = ""
    trail: tuple[str, ...] = ()


class Part(NamedTuple):
    """A value of a source, at its JSON pointer."""

    source: Source
    pointer: str
    value: Json

    @property
    def fields(self) -> Spec:
        """The value if it is a mapping, else an empty mapping."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def place(self) -> str:
        """The JSON pointer in the spec of the job at which a person finds the value."""
        return self.source.place if self.source.version else self.pointer

    @property
    def target(self) -> ResolvedReference | None:
        """What the value refers to; None if it is no reference, or one that is not resolved."""
        return self.source.targets.get(self.pointer)

    def child(self, *keys: str) -> Part:
        """Return a descendant; its value is None if there is none."""
        value: Json = self.value
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return Part(self.source, f"{self.pointer}{join_pointer(*keys)}", value)

    def children(self, *keys: str) -> Mapping[str, Part]:
        """Return the values of a descendant that is a mapping, by name."""
        source, pointer, _ = holder = self.child(*keys)
        items = ((str(name), value) for name, value in holder.fields.items())
        return {name: Part(source, f"{pointer}/{escape_key(name)}", value) for name, value in items}


def job_part(resolved: ResolvedAsset) -> Part:
    """Return the spec of a job as a part of itself."""
    asset = resolved.asset
    source = Source(
        asset.spec,
        resolved.contents,
        resolved.references,
        {reference.pointer: reference for reference in asset.references},
        {path.pointer: path for path in asset.paths},
    )
    return Part(source, "", asset.spec)


def component_part(named: Part, find_component: FindComponent) -> Part | None:
    """Return the component that stands or is named at a part of a spec; None if it is not known."""
    if isinstance(named.value, Mapping):
        return named
    target = named.target
    version = find_component(target) if target is not None else None
    label = target.address.format_with_version(target.version) if target else ""
    if version is None or label in named.source.trail:
        return None
    source = Source(
        version.spec,
        version.contents,
        version.references,
        {},
        {},
        version,
        named.place,
        (*named.source.trail, label),
    )
    return Part(source, "", version.spec)


@dataclass(slots=True)
class StepDraft:
    """A step that is being made: the spec of its job, and by JSON pointer of that all that belongs to its values."""

    spec: dict[str, Json] = field(default_factory=dict)
    bindings: dict[str, StepOutput] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    targets: dict[str, ResolvedReference] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    paths: dict[str, LocalPath] = field(default_factory=dict)
    version_paths: dict[str, VersionPath] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def put(self, part: Part, *keys: str) -> None:
        """Copy a value into the spec, with the contents and references in it."""
        holder = self.spec
        for key in keys[:-1]:
            holder = holder.setdefault(key, {})
        holder[keys[-1]] = dict(part.value) if isinstance(part.value, Mapping) else part.value
        pointer = join_pointer(*keys)
        self.places[pointer] = part.place
        for suffix, text in _texts(part.value):
            self._copy(part.source, f"{part.pointer}{suffix}", f"{pointer}{suffix}", text)

    def _copy(self, source: Source, old: str, new: str, text: str) -> None:
        if (path := source.paths.get(old)) is not None:
            self.paths[new] = path._replace(pointer=new)
        if (content := source.contents.get(old)) is not None:
            self.contents[new] = content
            if source.version:
                self.version_paths[new] = VersionPath(source.version.address, source.version.version, old)
        target = source.targets.get(old)
        if target is not None:
            self.targets[new] = target
        if (reference := source.references.get(old)) is not None:
            self.references[new] = reference._replace(pointer=new)
        elif target is not None:
            self.references[new] = Reference(
                new, text, target.address, target.version, output=target.output, path=target.path
            )

    def make_job(self, address: Address, source: str) -> ResolvedAsset:
        """Return the job of the step, without its environment if no file declares that."""
        asset = Asset(address, self.spec, source, "", tuple(self.references.values()), tuple(self.paths.values()))
        return ResolvedAsset(asset, self.contents, self.targets, "", "")


def _texts(value: Json, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a value, after its pointer from there."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield from _texts(child, f"{pointer}/{escape_key(str(key))}")
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from _texts(child, f"{pointer}/{index}")

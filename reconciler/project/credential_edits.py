"""Which edits of mlgit.yml say where credentials come from or go to: a plan by the mlgit.yml of the base shows none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.abbreviation import abbreviate_text, join_some
from reconciler.model import Json

_NAMED_SECTIONS = ("datastores", "secrets")
_SOURCE = "from"
_SECTIONS = (*_NAMED_SECTIONS, "store", "tracking")


def find_credential_edits(old: Mapping[str, Json], new: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the settings that differ, such as ``datastores.blob``, in two versions of mlgit.yml; of targets too.

    Of a secret whose value comes from another place, both places: ``secrets.key: env:OLD -> env:NEW``.
    """
    edits = [*_differing(old, new)]
    for name, before, after in _entries(old.get("targets"), new.get("targets")):
        edits += (f"targets.{name}.{edit}" for edit in _differing(_mapping(before), _mapping(after)))
    return tuple(abbreviate_text(edit) for edit in edits)


def describe_credential_edits(edits: tuple[str, ...]) -> str:
    """Return what a reviewer has to look at: nothing else of a plan shows it before the merge."""
    names = join_some([f"`{edit}`" for edit in edits])
    return f"who merges this decides where credentials come from and which hosts get them: read {names} of mlgit.yml"


def _differing(old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[str]:
    for section in _SECTIONS:
        if old.get(section) == new.get(section):
            continue
        entries = list(_entries(old.get(section), new.get(section)))
        if section in _NAMED_SECTIONS and entries:
            yield from (f"{section}.{name}{_moved_source(before, after)}" for name, before, after in entries)
        else:
            yield section


def _moved_source(before: Json, after: Json) -> str:
    """Return where the value of a secret came from and comes from now, "" if that is the same; neither is secret."""
    sources = [_mapping(value).get(_SOURCE) for value in (before, after)]
    return f": {sources[0]} -> {sources[1]}" if all(sources) and sources[0] != sources[1] else ""


def _entries(old: Json, new: Json) -> Iterator[tuple[str, Json, Json]]:
    """Yield the names whose values differ in two mappings, with both values."""
    before, after = _mapping(old), _mapping(new)
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield str(name), before.get(name), after.get(name)


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}

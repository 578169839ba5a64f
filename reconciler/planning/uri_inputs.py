"""Inputs of jobs that are behind URIs: what a run needs of them, and whether mlgit can download it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from reconciler.config.config import Config
from reconciler.format.mirrors import find_mirror, is_web_url
from reconciler.format.pointers import escape_key
from reconciler.model import Asset, Json, Record, Reference

_DIRECT_MODE = "direct"  # the mode in which the job gets a URI and reads it itself
_DEFAULT_TYPE, _FILE_TYPE = "uri_folder", "uri_file"
_MIRRORS_HINT = "map it under mirrors: in mlgit.yml to files of the workspace"

# Returns what a reference stands for, None if that is not known.
TargetLookup = Callable[[Reference], Asset | Record | None]


class UriInput(NamedTuple):
    """Something that a run needs and that is behind a URI: its JSON pointer, its type, and the URI as it is written.

    ``source`` is the URI that is read, which is another one if mlgit.yml has a mirror.
    """

    pointer: str
    type: str
    uri: str
    source: str

    @property
    def is_downloadable(self) -> bool:
        """True if mlgit can download it."""
        return self.type == _FILE_TYPE and is_web_url(self.source)


def find_uri_inputs(
    asset: Asset, config: Config, find_target: TargetLookup, stored: Iterable[str] = ()
) -> Iterator[UriInput]:
    """Yield what has to be downloaded for a run of a job; ``stored`` are the pointers of what the store has."""
    in_git = {*(path.pointer for path in asset.paths), *stored}
    code = asset.spec.get("code")
    if isinstance(code, str) and "/code" not in in_git:
        yield UriInput("/code", _DEFAULT_TYPE, code, code)
    inputs = asset.spec.get("inputs")
    references = {reference.pointer: reference for reference in asset.references}
    for name, value in inputs.items() if isinstance(inputs, Mapping) else ():
        if isinstance(value, Mapping) and isinstance(value.get("path"), str) and not _is_direct(value):
            pointer = f"/inputs/{escape_key(str(name))}/path"
            uri, type_ = ("", "") if pointer in in_git else _uri_and_type(references.get(pointer), value, find_target)
            if uri:
                yield UriInput(pointer, type_.lower(), uri, find_mirror(config.mirrors, uri).url or uri)


def _is_direct(job_input: Mapping[str, Json]) -> bool:
    """Return True if the job reads the URI of an input itself; Azure ML reads the mode in any case."""
    return str(job_input.get("mode", "")).lower() == _DIRECT_MODE


def _uri_and_type(
    reference: Reference | None, job_input: Mapping[str, Json], find_target: TargetLookup
) -> tuple[str, str]:
    """Return the URI and the type of an input, or of the data that it references; no URI if its content is stored."""
    type_ = str(job_input.get("type") or "")
    if reference is None:
        return job_input["path"], type_ or _DEFAULT_TYPE
    target = None if reference.output else find_target(reference)
    if target is None:
        return "", ""
    return _target_uri(target), type_ or str(target.spec.get("type") or _DEFAULT_TYPE)


def _target_uri(target: Asset | Record) -> str:
    uri: Json = target.spec.get("path")
    if isinstance(target, Asset):
        known = {path.pointer for path in target.paths} | {reference.pointer for reference in target.references}
    else:
        known = {*target.contents, *target.references}
    return uri if isinstance(uri, str) and "/path" not in known else ""


def describe_problem(uri_input: UriInput) -> tuple[str, str]:
    """Return why mlgit cannot download something, and what the user can do."""
    if is_web_url(uri_input.source) and uri_input.pointer != "/code":
        message = f"a {uri_input.type} cannot be downloaded from {uri_input.source}: only single files can be"
        return message, f"name a file and write type: {_FILE_TYPE}, or {_MIRRORS_HINT}"
    message = f"mlgit cannot read {uri_input.source}: it does not reach remote storage yet"
    other = "" if uri_input.pointer == "/code" else ", or write mode: direct if the job itself reads the URI"
    return message, f"put the files into the repository, or {_MIRRORS_HINT}{other}"

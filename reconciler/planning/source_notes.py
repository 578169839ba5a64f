"""The notes of a plan on data behind URIs: what has a mirror, what is downloaded or was, and where outputs are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from reconciler.abbreviation import join_some
from reconciler.config.config import Config
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.data_uris import parse_data_uri
from reconciler.format.mirrors import find_mirror, is_web_url
from reconciler.format.pointers import split_pointer
from reconciler.model import Action, Asset, FileReader, Op, Record, Reference, ResolvedAsset, State
from reconciler.planning.data_places import Datastores, describe_unknown
from reconciler.planning.output_paths import output_notes
from reconciler.planning.subjects import Subject, runs_of, whole_subject
from reconciler.planning.uri_inputs import TargetLookup, UriInput, find_uri_inputs, is_web_folder, location_uri

_DIGEST_DIGITS = 10
_FILE_TYPE = "uri_file"
_MAX_EQUAL_NOTES = 3  # more assets that are pinned alike are one note
_COPY_MODES = frozenset({"download", "eval_download"})
_REGISTERING_OPS = frozenset({Op.CREATE, Op.NEW_VERSION, Op.REGISTER})


class _Pin(NamedTuple):
    """How data that is behind a URI is pinned, in words about one path and about many."""

    of_one: str
    of_many: str


_BY_BYTES = _Pin(
    "downloaded and pinned by its bytes when it is registered",
    "downloaded and pinned by their bytes when they are registered",
)
_BY_ETAG = _Pin(
    "pinned by its ETag, or its size and date, when it is registered",
    "pinned by their ETags, or their sizes and dates, when they are registered",
)
_BY_ETAGS = _Pin(
    "pinned by the ETags of its files, or their sizes and dates, when it is registered",
    "pinned by the ETags of their files, or their sizes and dates, when they are registered",
)


def source_notes(
    files: FileReader, declared: AssetSet, actions: Iterable[Action], config: Config, state: State
) -> Iterator[str]:
    """Yield where the data behind URIs comes from, of the assets that a plan makes or changes."""
    datastores = Datastores(config, declared.assets, state.current, declared.known)
    pins: dict[_Pin, list[str]] = {}  # what is said of a path, with the places of the paths, by how it is pinned
    changed = {action.address: action for action in actions if action.resolved and action.address in declared.assets}
    for address, action in changed.items():
        asset = declared.assets[address]
        for path in asset.paths:
            if "://" in path.text:
                shown = files.display_path(path.path)
                place = _place(declared, whole_subject(asset), path.pointer)
                yield f"{place}: {path.text} is {shown}, as mirrors: in mlgit.yml says"
        if action.op in _REGISTERING_OPS:
            for pin, note in _location_notes(declared, asset, datastores):
                pins.setdefault(pin, []).append(note)
        if action.op is Op.SUBMIT and action.resolved is not None:
            yield from _run_notes(declared, action.resolved, datastores, state)
    for pin, notes in pins.items():
        if len(notes) > _MAX_EQUAL_NOTES:
            places = join_some([note.partition(":")[0] for note in notes])
            yield f"{len(notes)} paths are {pin.of_many}: {places}"
        else:
            yield from notes


def _run_notes(declared: AssetSet, resolved: ResolvedAsset, datastores: Datastores, state: State) -> Iterator[str]:
    """Yield where outputs are kept and what is downloaded for a run; what steps share, once."""
    jobs = [step.job for step in resolved.graph.steps.values()] if resolved.graph else [resolved]
    downloads: dict[str, str] = {}
    for job, subject in zip(jobs, runs_of(resolved.asset, resolved.graph), strict=True):
        yield from output_notes(declared, subject, datastores)
        find_target = _target_lookup(declared, job, state)
        for uri_input in find_uri_inputs(subject.asset, datastores, find_target, subject.stored):
            place = _place(declared, subject, uri_input.pointer)
            downloads.setdefault(_describe_download(uri_input, state), place)
    yield from (f"{place}: {text}" for text, place in downloads.items())


def _location_notes(declared: AssetSet, asset: Asset, datastores: Datastores) -> Iterator[tuple[_Pin, str]]:
    """Yield how the data of a version that is behind a URI is pinned when it is registered, and that with its URI."""
    uri = location_uri(asset)
    if uri and asset.address in declared.assets:
        place = _place(declared, whole_subject(asset), "/path")
        pin = _find_pin(asset, uri, datastores)
        yield pin, f"{place}: {uri} is {pin.of_one}"


def _find_pin(asset: Asset, uri: str, datastores: Datastores) -> _Pin:
    source = find_mirror(datastores.config.mirrors, uri).url or uri
    if is_web_folder(asset, uri, datastores):
        reason = _why_unknown(source) if parse_data_uri(source) else "a folder behind a URL cannot be listed"
        text = f"not pinned: {reason}; a job gets it with mode: direct only, as the URI"
        return _Pin(text, text)
    place = datastores.find_place(source)
    if place is None and not is_web_url(source):
        text = f"not pinned: {_why_unknown(source)}"
        return _Pin(text, text)
    if kind_of(asset).is_model or datastores.config.is_fully_verified(asset.address):
        return _BY_BYTES
    is_folder = place is not None and (place.has_wildcard or asset.spec.get("type") != _FILE_TYPE)
    return _BY_ETAGS if is_folder else _BY_ETAG


def _why_unknown(source: str) -> str:
    return describe_unknown(source)[0].removesuffix(f", which {source} names")  # the sentence starts with it


def _place(declared: AssetSet, subject: Subject, pointer: str) -> str:
    field = ".".join(split_pointer(pointer)).removesuffix(".path").removesuffix(".value")
    return f"{subject.asset.address}: {field} ({subject.span(declared, pointer)})"


def _describe_download(uri_input: UriInput, state: State) -> str:
    """Return what a run gets for a URL: the bytes that came first, or those that come now."""
    if download := state.find_download(uri_input.uri):
        digest = download.content.sha256[:_DIGEST_DIGITS]
        return f"{uri_input.uri} was downloaded at {download.downloaded_at}, and is used as it was (sha256 {digest}...)"
    source = "" if uri_input.source == uri_input.uri else f" from {uri_input.source}, as mirrors: in mlgit.yml says,"
    if uri_input.place is not None:
        pinned = ", if it is what was registered" if uri_input.version else ""
        copy = "" if uri_input.mode in _COPY_MODES else "; the run gets a read-only copy, not a mount"
        return f"{uri_input.uri} is brought into the object store{source} once{pinned}{copy}"
    return f"{uri_input.uri} is downloaded{source} once, and stands for what comes from then on"


def _target_lookup(declared: AssetSet, resolved: ResolvedAsset, state: State) -> TargetLookup:
    def find_target(reference: Reference) -> Asset | Record | None:
        target = resolved.references.get(reference.pointer)
        if target is None:
            return None
        return state.find_version(target.address, target.version) or declared.assets.get(target.address)

    return find_target

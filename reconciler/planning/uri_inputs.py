"""Inputs of jobs that are behind URIs: what a run needs of them, and whether mlgit can bring it into the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from reconciler.format.data_references import is_data_reference
from reconciler.format.data_uris import parse_data_uri
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.format.mirrors import find_mirror, is_web_url
from reconciler.format.pointers import escape_key
from reconciler.model import Asset, Json, Record, Reference
from reconciler.model.content import Content
from reconciler.model.datastores import Location
from reconciler.planning.data_places import DATASTORE_KIND, DataPlace, Datastores, describe_unknown

_DIRECT_MODE = "direct"  # the mode in which the job gets a URI and reads it itself
_DEFAULT_TYPE, _FILE_TYPE = "uri_folder", "uri_file"
_LOCATED_KINDS = frozenset({"data", "model"})
_UNLOCATED = ("azureml://jobs/", "azureml://registries/", "runs:/")  # contents of runs and of registries
_FILE_TYPES = frozenset({_FILE_TYPE, "custom_model"})  # a custom model can be a single file
_MIRRORS_HINT = "map it under mirrors: in mlgit.yml to files of the workspace"

# Returns what a reference stands for, None if that is not known.
TargetLookup = Callable[[Reference], Asset | Record | None]


class UriInput(NamedTuple):
    """Something that a run needs and that is behind a URI: its JSON pointer, its type, and the URI as it is written.

    ``source`` is the URI that is read, which is another one if mlgit.yml has a mirror. ``place`` is where that is in a
    datastore of the workspace, None if in none. ``mode`` is how the job reads it. ``version`` is the version that the
    input refers to, such as ``data/x@1``, "" for a URI in the job itself; ``pinned`` what was recorded of it when it
    was registered, and ``content`` its bytes, if they were read then.
    """

    pointer: str
    type: str
    uri: str
    source: str
    place: DataPlace | None = None
    mode: str = ""
    version: str = ""
    pinned: Location | None = None
    content: Content | None = None

    @property
    def is_web_file(self) -> bool:
        """True if it is a single file behind an http or https URL."""
        return self.place is None and self.type in _FILE_TYPES and is_web_url(self.source)

    @property
    def is_reachable(self) -> bool:
        """True if mlgit can bring it into the store."""
        return self.pointer != "/code" and (self.is_web_file or self.place is not None)


def find_uri_inputs(
    asset: Asset, datastores: Datastores, find_target: TargetLookup, stored: Iterable[str] = ()
) -> Iterator[UriInput]:
    """Yield what has to be brought here for a run of a job; ``stored`` are the pointers of what the store has."""
    in_git = {*(path.pointer for path in asset.paths), *stored}
    code = asset.spec.get("code")
    if isinstance(code, str) and "/code" not in in_git:
        yield UriInput("/code", _DEFAULT_TYPE, code, code)
    inputs = asset.spec.get("inputs")
    references = {item.pointer: item for item in asset.references if not is_data_reference(item)}
    for name, value in inputs.items() if isinstance(inputs, Mapping) else ():
        if isinstance(value, Mapping) and isinstance(value.get("path"), str) and not is_direct(value):
            pointer = f"/inputs/{escape_key(str(name))}/path"
            if pointer not in in_git:
                found = _find_uri_input(pointer, references.get(pointer), value, find_target)
                yield from (_locate(item, datastores) for item in found)


def is_direct(declared: Mapping[str, Json]) -> bool:
    """Return True if the job opens the URI of an input or an output itself; Azure ML reads the mode in any case."""
    return str(declared.get("mode", "")).lower() == _DIRECT_MODE


def _find_uri_input(
    pointer: str, reference: Reference | None, job_input: Mapping[str, Json], find_target: TargetLookup
) -> Iterator[UriInput]:
    """Yield an input that is a URI, or refers to data that is; none whose content is stored."""
    type_, mode = str(job_input.get("type") or "").lower(), str(job_input.get("mode") or "").lower()
    if reference is None:
        uri = job_input["path"]
        yield UriInput(pointer, type_ or _DEFAULT_TYPE, uri, uri, mode=mode)
        return
    target = None if reference.output else find_target(reference)
    if isinstance(target, Record) and is_stored_model(target):
        return
    uri = _target_uri(target) if target is not None else ""
    if target is not None and uri:
        type_ = type_ or str(target.spec.get("type") or _DEFAULT_TYPE).lower()
        version = target.address.format_with_version(target.version)
        pinned = find_location(target) if isinstance(target, Record) else None
        content = find_pinned_content(target) if isinstance(target, Record) else None
        yield UriInput(pointer, type_, uri, uri, None, mode, version, pinned, content)


def _locate(uri_input: UriInput, datastores: Datastores) -> UriInput:
    source = find_mirror(datastores.config.mirrors, uri_input.uri).url or uri_input.uri
    return uri_input._replace(source=source, place=datastores.find_place(source))


def location_uri(asset: Asset | Record) -> str:
    """Return the URI of the data of a version whose content mlgit does not store; "" if it stores it, or has none."""
    uri = _target_uri(asset) if asset.address.kind in _LOCATED_KINDS else ""
    return uri if "://" in uri and not uri.startswith(_UNLOCATED) else ""


def find_location(record: Record) -> Location | None:
    """Return where the data of a version was found when it was registered; None if that was not recorded."""
    location = record.realised.get("locations", {}).get("/path")
    return Location.from_json(location) if location else None


def find_pinned_content(record: Record) -> Content | None:
    """Return the bytes of the remote data of a version, if they were read when it was registered."""
    content = record.realised.get("contents", {}).get("/path") if find_location(record) else None
    return Content.from_json(content) if content else None


def _target_uri(target: Asset | Record) -> str:
    uri: Json = target.spec.get("path")
    if isinstance(target, Asset):
        known = {*(path.pointer for path in target.paths)}
        references = {reference.pointer: reference.address for reference in target.references}
    else:
        known = {*target.contents}
        references = {pointer: reference.address for pointer, reference in target.references.items()}
    known |= {pointer for pointer, address in references.items() if address.kind != DATASTORE_KIND}
    return uri if isinstance(uri, str) and "/path" not in known else ""


def is_web_folder(asset: Asset, uri: str, datastores: Datastores) -> bool:
    """Return True for data that is a folder behind a URL of no datastore: it cannot be listed, so nothing pins it."""
    source = find_mirror(datastores.config.mirrors, uri).url or uri
    is_model = kind_by_name(asset.address.kind).is_model  # a model that is a folder is refused there
    is_folder = str(asset.spec.get("type") or _DEFAULT_TYPE).lower() not in _FILE_TYPES
    return is_folder and not is_model and is_web_url(source) and datastores.find_place(source) is None


def is_stored_model(record: Record) -> bool:
    """Return True for a model whose bytes the store has: they are what a run gets, wherever they came from."""
    kind = record.address.kind
    is_model = kind in kinds() and kind_by_name(kind).is_model
    return is_model and "/path" in record.realised.get("contents", {})


def describe_problem(uri_input: UriInput) -> tuple[str, str]:
    """Return why mlgit cannot read something, and what the user can do."""
    if uri_input.pointer == "/code":
        message = f"mlgit cannot read {uri_input.source}: the code of a job is a folder of the repository"
        return message, f"put the files into the repository, or {_MIRRORS_HINT}"
    if is_web_url(uri_input.source) and parse_data_uri(uri_input.source) is None:
        message = f"a {uri_input.type} cannot be downloaded from {uri_input.source}: only single files can be"
        return message, f"name a file and write type: {_FILE_TYPE}, or {_MIRRORS_HINT}"
    message, hint = describe_unknown(uri_input.source)
    others = [hint, _MIRRORS_HINT, "or write mode: direct if the job itself reads the URI"]
    return message, ", ".join(filter(None, others))

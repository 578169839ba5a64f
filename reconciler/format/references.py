"""Find and parse the references and paths of a spec: assets, outputs of jobs, local files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from reconciler.format.kind import Kind, ReferenceSite
from reconciler.format.mirrors import MirroredFiles
from reconciler.format.pointers import join_pointer
from reconciler.model import Address, FileReader, Json, LocalPath, Reference, Spec

# A job without a name is named after its path, so the name can contain slashes.
_JOB_OUTPUT_URI = re.compile(r"^azureml://jobs/(?P<job>.+?)/outputs/(?P<output>[^/]+)(?:/|/paths(?:/(?P<path>.*))?)?$")
_ASSET_REFERENCE = re.compile(r"^azureml:(?P<name>[^/:@][^:@]*)(?::(?P<version>.+)|@(?P<label>.+))?$")
_URI_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:")
_WILDCARD = "*"
_ZIP_SUFFIX = ".zip"

# Assets with these prefixes exist without being declared (reference, sections 2 and 4).
_PREDEFINED_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "environment": ("AzureML-", "Microsoft"),
    "compute": ("serverless", "local"),
}


def find_references_and_paths(
    spec: Spec, kind: Kind, folder: str, mirrored: MirroredFiles | None = None
) -> Iterator[Reference | LocalPath]:
    """Yield the references and paths at the reference sites of a kind; ``folder`` is that of the file.

    URIs that have a mirror in ``mirrored`` files are paths too.
    """
    for site in kind.reference_sites:
        parts = _pointer_parts(site.pointer)
        if parts[0] not in spec:  # for speed: a spec has few of the fields
            continue
        for keys, text, parent in _walk_site(spec, parts, ()):
            pointer = join_pointer(*keys)
            if site.allows_file_prefix and text.startswith("file:"):
                yield _local_path(pointer, text, text.removeprefix("file:"), folder)
                continue
            target = None
            if not site.is_literal:
                allowed_folder = folder if site.allows_local_path else None
                target = parse_reference(pointer, text, site.target_kind(parent), allowed_folder)
            if target is None and mirrored is not None and _takes_files(site):
                target = mirrored.find_path(keys, text, is_literal=site.is_literal)
            if site.is_additional_include and isinstance(target, LocalPath):
                target = replace(target, name=posixpath.basename(target.path))
            if target is not None:
                yield target


def _takes_files(site: ReferenceSite) -> bool:
    return site.is_literal or site.allows_local_path


def resolve_zip_path(local_path: LocalPath, files: FileReader) -> LocalPath:
    """Return the path of an additional include; a missing ``x.zip`` means the folder ``x``, as in azure-ai-ml."""
    if not local_path.name.endswith(_ZIP_SUFFIX) or files.exists(local_path.path):
        return local_path
    folder = local_path.path.removesuffix(_ZIP_SUFFIX)
    return replace(local_path, path=folder) if files.exists(folder) else local_path


def parse_reference(pointer: str, text: str, kind: str, folder: str | None) -> Reference | LocalPath | None:
    """Return the reference or path of a text, or None if it names something outside of the workspace, such as a URI.

    ``folder`` is that of the file, None if a local path is not allowed.
    """
    if match := _JOB_OUTPUT_URI.match(text):
        path = (match["path"] or "").strip("/")
        return Reference(pointer, text, Address("job", match["job"]), output=match["output"], path=path)
    if kind and (match := _ASSET_REFERENCE.match(text)):
        if match["name"].startswith(_PREDEFINED_PREFIXES.get(kind, ())):
            return None
        address = Address(kind, match["name"])
        return Reference(pointer, text, address, match["version"] or "", match["label"] or "")
    if folder is None or _URI_SCHEME.match(text):
        return None
    return _local_path(pointer, text, text, folder)


def _local_path(pointer: str, text: str, path: str, folder: str) -> LocalPath:
    return LocalPath(pointer, text, posixpath.normpath(posixpath.join(folder, path)))


@cache
def _pointer_parts(pointer: str) -> tuple[str, ...]:
    return tuple(pointer.strip("/").split("/"))


def _walk_site(
    value: Json, parts: Sequence[str], parents: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str, Spec]]:
    """Yield keys, text and parent mapping of every string at a site; ``parts`` are those of its pointer."""
    first, rest = parts[0], parts[1:]
    if isinstance(value, list) and first == _WILDCARD:
        value = {str(index): item for index, item in enumerate(value)}
    if not isinstance(value, dict):
        return
    for key in list(value) if first == _WILDCARD else [first] if first in value else []:
        child = value[key]
        if rest:
            yield from _walk_site(child, rest, (*parents, key))
        elif isinstance(child, str):
            yield (*parents, key), child, value

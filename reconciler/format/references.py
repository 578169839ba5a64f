"""The ways in which a spec mentions another asset, a job's output, a path or a place elsewhere."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from reconciler.format.kind import Kind, ReferenceSite
from reconciler.format.pointers import join_pointer
from reconciler.model import Address, FileReader, Json, LocalPath, Reference, Spec

# The name of a job that has none is its path, so it may hold slashes.
_JOB_OUTPUT_URI = re.compile(r"^azureml://jobs/(?P<job>.+?)/outputs/(?P<output>[^/]+)(?:/|/paths(?:/(?P<path>.*))?)?$")
_ASSET_REFERENCE = re.compile(r"^azureml:(?P<name>[^/:@][^:@]*)(?::(?P<version>.+)|@(?P<label>.+))?$")
_URI_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:")
_WILDCARD = "*"
_ZIP_SUFFIX = ".zip"

# What is there without being declared: names that begin so, by kind (reference, sections 2 and 4).
_PREDEFINED_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "environment": ("AzureML-", "Microsoft"),
    "compute": ("serverless", "local"),
}


def find_references_and_paths(spec: Spec, kind: Kind, folder: str) -> Iterator[Reference | LocalPath]:
    """Yield what a spec mentions at the places where its kind may; ``folder`` is that of its file."""
    for site in kind.reference_sites:
        first, *rest = _pointer_parts(site)
        if first not in spec:  # most sites are of fields that a spec does not have
            continue
        for keys, text, around in _walk_site(spec, [first, *rest], ()):
            pointer = join_pointer(*keys)
            if site.allows_file_prefix and text.startswith("file:"):
                yield _local_path(pointer, text, text.removeprefix("file:"), folder)
                continue
            mention = parse_reference(
                pointer, text, site.target_kind(around), folder if site.allows_local_path else None
            )
            if site.is_additional_include and isinstance(mention, LocalPath):
                mention = replace(mention, name=posixpath.basename(mention.path))
            if mention is not None:
                yield mention


def resolve_zip_path(mention: LocalPath, files: FileReader) -> LocalPath:
    """Return a mention with the path that it has among files: ``x.zip`` is made of the folder ``x`` if it is not there.

    So it is with what is laid out beside the code, in azure-ai-ml.
    """
    if not mention.name.endswith(_ZIP_SUFFIX) or files.exists(mention.path):
        return mention
    folder = mention.path.removesuffix(_ZIP_SUFFIX)
    return replace(mention, path=folder) if files.exists(folder) else mention


def parse_reference(pointer: str, text: str, kind: str, folder: str | None) -> Reference | LocalPath | None:
    """Read one mention; None where it names something outside the workspace, such as a URI."""
    if found := _JOB_OUTPUT_URI.match(text):
        path = (found["path"] or "").strip("/")
        return Reference(pointer, text, Address("job", found["job"]), output=found["output"], path=path)
    if kind and (found := _ASSET_REFERENCE.match(text)):
        if found["name"].startswith(_PREDEFINED_PREFIXES.get(kind, ())):
            return None
        address = Address(kind, found["name"])
        return Reference(pointer, text, address, found["version"] or "", found["label"] or "")
    if folder is None or _URI_SCHEME.match(text):
        return None
    return _local_path(pointer, text, text, folder)


def _local_path(pointer: str, text: str, path: str, folder: str) -> LocalPath:
    return LocalPath(pointer, text, posixpath.normpath(posixpath.join(folder, path)))


@cache
def _pointer_parts(site: ReferenceSite) -> tuple[str, ...]:
    return tuple(site.pointer.strip("/").split("/"))


def _walk_site(
    value: Json, parts: Sequence[str], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str, Spec]]:
    """Yield keys, text and the mapping around it for every string at a site, given by the parts of its pointer."""
    first, *rest = parts
    if isinstance(value, list) and first == _WILDCARD:
        value = {str(index): each for index, each in enumerate(value)}
    if not isinstance(value, dict):
        return
    for key in list(value) if first == _WILDCARD else [first] if first in value else []:
        each = value[key]
        if rest:
            yield from _walk_site(each, rest, (*above, key))
        elif isinstance(each, str):
            yield (*above, key), each, value

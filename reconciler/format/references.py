"""The ways in which a spec mentions another asset, a job's output, a path or a place elsewhere."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from reconciler.format.kind import Kind, Site
from reconciler.format.pointers import join
from reconciler.model import Address, Files, Json, LocalPath, Reference, Spec

# The name of a job that has none is its path, so it may hold slashes.
_JOB_OUTPUT = re.compile(r"^azureml://jobs/(?P<job>.+?)/outputs/(?P<output>[^/]+)(?:/|/paths(?:/(?P<path>.*))?)?$")
_ASSET = re.compile(r"^azureml:(?P<name>[^/:@][^:@]*)(?::(?P<version>.+)|@(?P<label>.+))?$")
_ELSEWHERE = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:")
_ANY = "*"
_ZIP = ".zip"

# What is there without being declared: names that begin so, by kind (reference, sections 2 and 4).
_GIVEN: Mapping[str, tuple[str, ...]] = {"environment": ("AzureML-", "Microsoft"), "compute": ("serverless", "local")}


def mentions(spec: Spec, kind: Kind, folder: str) -> Iterator[Reference | LocalPath]:
    """Yield what a spec mentions at the places where its kind may; ``folder`` is that of its file."""
    for site in kind.sites:
        first, *rest = _parts(site)
        if first not in spec:  # most sites are of fields that a spec does not have
            continue
        for keys, text, around in _walk(spec, [first, *rest], ()):
            pointer = join(*keys)
            if site.file and text.startswith("file:"):
                yield _local(pointer, text, text.removeprefix("file:"), folder)
                continue
            mention = read(pointer, text, site.kind_in(around), folder if site.local else None)
            if site.added and isinstance(mention, LocalPath):
                mention = replace(mention, name=posixpath.basename(mention.path))
            if mention is not None:
                yield mention


def located(mention: LocalPath, files: Files) -> LocalPath:
    """Return a mention with the path that it has among files: ``x.zip`` is made of the folder ``x`` if it is not there.

    So it is with what is laid out beside the code, in azure-ai-ml.
    """
    if not mention.name.endswith(_ZIP) or files.exists(mention.path):
        return mention
    folder = mention.path.removesuffix(_ZIP)
    return replace(mention, path=folder) if files.exists(folder) else mention


def read(pointer: str, text: str, kind: str, folder: str | None) -> Reference | LocalPath | None:
    """Read one mention; None where it names something outside the workspace, such as a URI."""
    if found := _JOB_OUTPUT.match(text):
        path = (found["path"] or "").strip("/")
        return Reference(pointer, text, Address("job", found["job"]), output=found["output"], path=path)
    if kind and (found := _ASSET.match(text)):
        if found["name"].startswith(_GIVEN.get(kind, ())):
            return None
        address = Address(kind, found["name"])
        return Reference(pointer, text, address, found["version"] or "", found["label"] or "")
    if folder is None or _ELSEWHERE.match(text):
        return None
    return _local(pointer, text, text, folder)


def _local(pointer: str, text: str, path: str, folder: str) -> LocalPath:
    return LocalPath(pointer, text, posixpath.normpath(posixpath.join(folder, path)))


@cache
def _parts(site: Site) -> tuple[str, ...]:
    return tuple(site.pointer.strip("/").split("/"))


def _walk(value: Json, parts: Sequence[str], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, Spec]]:
    """Yield keys, text and the mapping around it for every string at a site, given by the parts of its pointer."""
    first, *rest = parts
    if isinstance(value, list) and first == _ANY:
        value = {str(index): each for index, each in enumerate(value)}
    if not isinstance(value, dict):
        return
    for key in list(value) if first == _ANY else [first] if first in value else []:
        each = value[key]
        if rest:
            yield from _walk(each, rest, (*above, key))
        elif isinstance(each, str):
            yield (*above, key), each, value

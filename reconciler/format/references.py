"""The ways in which a spec mentions another asset, a job's output, a path or a place elsewhere."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from reconciler.format.kind import Kind, Site
from reconciler.format.pointers import escape
from reconciler.model import Address, Json, LocalPath, Reference, Spec

# The name of a job that has none is its path, so it may hold slashes.
_JOB_OUTPUT = re.compile(r"^azureml://jobs/(?P<job>.+?)/outputs/(?P<output>[^/]+)(?:/|/paths(?:/(?P<path>.*))?)?$")
_ASSET = re.compile(r"^azureml:(?P<name>[^/:@][^:@]*)(?::(?P<version>.+)|@(?P<label>.+))?$")
_ELSEWHERE = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:")

# What is there without being declared: names that begin so, by kind (reference, sections 2 and 4).
_GIVEN: Mapping[str, tuple[str, ...]] = {"environment": ("AzureML-", "Microsoft"), "compute": ("serverless", "local")}


def mentions(spec: Spec, kind: Kind, folder: str) -> Iterator[Reference | LocalPath]:
    """Yield what a spec mentions at the places where its kind may; ``folder`` is that of its file."""
    for site in kind.sites:
        for pointer, text, around in _found(spec, site):
            if site.file and text.startswith("file:"):
                yield _local(pointer, text, text.removeprefix("file:"), folder)
                continue
            mention = read(pointer, text, site.kind_in(around), folder if site.local else None)
            if mention is not None:
                yield mention


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


def _found(spec: Spec, site: Site) -> Iterator[tuple[str, str, Spec]]:
    """Yield pointer, text and the mapping around it for every string at a site."""
    yield from _walk(spec, site.pointer.strip("/").split("/"), "")


def _walk(value: Json, parts: list[str], pointer: str) -> Iterator[tuple[str, str, Spec]]:
    if not isinstance(value, Mapping):
        return
    first, *rest = parts
    for key in list(value) if first == "*" else [first] if first in value else []:
        below = f"{pointer}/{escape(key)}"
        if rest:
            yield from _walk(value[key], rest, below)
        elif isinstance(value[key], str):
            yield below, value[key], value

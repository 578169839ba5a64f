"""Paths of data that are always refused: out of their datastore, into this machine, or to its network.

A file of a pull request could read with them what only the machine that applies it reaches. mlgit.yml can allow it: a
mirror takes the place of a URI, and ``local_hosts:`` names hosts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.data_uris import parse_data_uri
from reconciler.format.mirrors import NO_MIRROR, find_mirror, is_web_url
from reconciler.format.model_files import folder_hint, has_layout
from reconciler.format.pointers import join_pointer
from reconciler.model import Asset, Json
from reconciler.model.local_hosts import is_local_host
from reconciler.planning.uri_inputs import is_direct

_KINDS = frozenset({"data", "model", "job", "component"})
_FILE_SCHEME = "file:"
_MIRROR_HINT = "or map it under mirrors: in mlgit.yml"


def check_remote_paths(declared: AssetSet, asset: Asset, config: Config) -> Iterator[Diagnostic]:
    """Yield the paths of data of an asset that are refused, at their lines."""
    if asset.address.kind not in _KINDS or asset.place:
        return
    for keys, text in _find_paths(asset.spec, ()):
        if problem := find_path_problem(text, config):
            span = declared.value_span(asset, join_pointer(*keys))
            yield Diagnostic(problem.code, f"{asset.address}: {problem.message}", span, problem.hint)
    if kind_of(asset).is_model:
        yield from _check_model_url(declared, asset, config)


def _check_model_url(declared: AssetSet, asset: Asset, config: Config) -> Iterator[Diagnostic]:
    """Yield a URL, which is one file, of a model that is a folder by its type."""
    path, type_name = str(asset.spec.get("path", "")), str(asset.spec.get("type", ""))
    if is_web_url(find_mirror(config.mirrors, path).url or path) and has_layout(type_name) and not asset.paths:
        message = f"{path} is one file: a model of type {type_name} is a folder"
        yield Diagnostic("model-not-a-folder", message, declared.value_span(asset, "/path"), folder_hint(type_name))


def _find_paths(node: Json, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield all that a spec calls a path, with its keys, but what a job opens itself."""
    if isinstance(node, Mapping):
        path = node.get("path")
        if isinstance(path, str) and ":" in path and not is_direct(node):
            yield (*keys, "path"), path
        for key, value in node.items():
            yield from _find_paths(value, (*keys, str(key)))
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _find_paths(value, (*keys, str(index)))


class RefusedPath(NamedTuple):
    """Why a path of data is refused, and what the user can do."""

    code: str
    message: str
    hint: str


def find_path_problem(text: str, config: Config) -> RefusedPath | None:
    """Return why a path of data is refused; None for any other."""
    if find_mirror(config.mirrors, text) != NO_MIRROR:
        return None
    if text.lower().startswith(_FILE_SCHEME):
        message = f"{text} is a file of the machine that applies it"
        return RefusedPath("url-local", message, f"use a path of the repository, {_MIRROR_HINT}")
    if is_web_url(text) and (problem := _find_host_problem(text, config)):
        return problem
    uri = parse_data_uri(text)
    if uri is not None and ".." in uri.path.replace("\\", "/").split("/"):
        return RefusedPath("path-outside", f"{text} leads out of its folder with ..", "write the path without ..")
    return None


def _find_host_problem(url: str, config: Config) -> RefusedPath | None:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return None  # the download says that it is no URL
    if host in config.local_hosts or not is_local_host(host):
        return None
    message = f"{url} is on {host}, which is the machine that applies it, or on a link of it"
    hint = f"write local_hosts: [{host}] in mlgit.yml if that is meant, {_MIRROR_HINT}"
    return RefusedPath("url-local", message, hint)

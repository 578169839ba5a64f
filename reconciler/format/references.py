"""Find and parse the references and paths of a spec: assets, outputs of jobs, local files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from reconciler.format.data_references import is_data_reference, make_data_reference
from reconciler.format.included_file import FILE_PREFIX, has_file_prefix
from reconciler.format.kind import Kind, ReferenceSite
from reconciler.format.mirrors import MirroredFiles
from reconciler.format.nodes import Keys, walk_nodes
from reconciler.format.pointers import join_pointer
from reconciler.model import (
    DEFAULT_ARTIFACTS,
    Address,
    Asset,
    FileReader,
    Json,
    LocalPath,
    Reference,
    Spec,
    parse_address,
)

# A job without a name is named after its path, so the name can contain slashes.
_JOB_OUTPUT_URI = re.compile(r"^azureml://jobs/(?P<job>.+?)/outputs/(?P<output>[^/]+)(?:/|/paths(?:/(?P<path>.*))?)?$")
# An artifact of a run as MLflow names it; a job in place of the run means its current one.
_RUN_URI = re.compile(r"^runs:/+(?P<job>[^/]+)/(?P<path>.+)$")
_ASSET_REFERENCE = re.compile(r"^azureml:(?P<name>[^/:@][^:@]*)(?::(?P<version>.+)|@(?P<label>.+))?$")
_ASSET_PREFIX = "azureml:"
_PLAIN_NAME = re.compile(r"[A-Za-z][\w-]*")
_REGISTRY_ENVIRONMENT = re.compile(
    r"azureml://registries/(?P<registry>[^/]+)/environments/(?P<name>[^/]+)(?:/(?:versions|labels)/[^/]+)?/?"
)
# An environment of the registry azureml has this prefix in a workspace.
_CURATED_ENVIRONMENT = re.compile(r"azureml:AzureML-(?P<name>[^/:@]+)(?:[:@].+)?")
_CURATED_REGISTRY = "azureml"
_URI_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:")
_WILDCARD = "*"
_ZIP_SUFFIX = ".zip"
_ENVIRONMENT = "environment"
_BINDING = "${{"

# Assets with these prefixes exist without being declared (reference, sections 2 and 4).
_PREDEFINED_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "environment": ("AzureML-", "Microsoft"),
    "compute": ("serverless", "local"),
}


def find_references_and_paths(
    spec: Spec, kind: Kind, folder: str, mirrored: MirroredFiles | None = None, *, is_included: bool = False
) -> Iterator[Reference | LocalPath]:
    """Yield the references and paths at the reference sites of a kind; ``folder`` is that of the file.

    URIs that have a mirror in ``mirrored`` files are paths too. The file of a node ``is_included`` in that of an asset.
    """
    for keys, node in walk_nodes(spec) if kind.node_sites else (((), spec),):
        for site in kind.node_sites if keys or is_included else kind.reference_sites:
            parts = _pointer_parts(site.pointer)
            if parts[0] in node:  # for speed: a spec has few of the fields
                for found in _walk_site(node, parts, keys):
                    target = _parse_site(site, found, folder, mirrored)
                    if target is not None:
                        yield target


class _SiteText(NamedTuple):
    """A text at a site, its keys, and the mapping that has it."""

    keys: Keys
    text: str
    parent: Spec


def _parse_site(
    site: ReferenceSite, found: _SiteText, folder: str, mirrored: MirroredFiles | None
) -> Reference | LocalPath | None:
    """Return what the text at a site refers to, None for nothing; a binding is neither a reference nor a path."""
    keys, text, parent = found
    pointer = join_pointer(*keys)
    if site.allows_file_prefix and has_file_prefix(text):
        return _local_path(pointer, text, text[len(FILE_PREFIX) :], folder)
    if site.is_destination:
        return make_data_reference(pointer, text)
    target = None
    if not site.is_literal:
        allowed_folder = folder if site.allows_local_path and _BINDING not in text else None
        is_name = site.allows_plain_name and _PLAIN_NAME.fullmatch(text)
        reference = f"{_ASSET_PREFIX}{text}" if is_name else text
        target = parse_reference(pointer, reference, site.target_kind(parent), allowed_folder)
        if is_name and target is not None:
            target = target._replace(text=text)
    is_of_data = isinstance(target, Reference) and is_data_reference(target)
    if (target is None or is_of_data) and mirrored is not None and (site.is_literal or site.allows_local_path):
        target = mirrored.find_path(keys, text, is_literal=site.is_literal) or target  # before any datastore
    if site.is_additional_include and isinstance(target, LocalPath):
        return target._replace(name=posixpath.basename(target.path))
    return target


def relative_text(local_path: LocalPath, folder: str) -> str:
    """Return a path as a file in another folder has to write it; as it was written, if that still resolves."""
    prefix = FILE_PREFIX if has_file_prefix(local_path.text) else ""
    target = posixpath.normpath(posixpath.join(folder, local_path.text[len(prefix) :]))
    if target == local_path.path:
        return local_path.text
    relative = posixpath.relpath(local_path.path, folder or ".")
    return prefix + (relative if relative.startswith(".") else f"./{relative}")


class RegistryEnvironment(NamedTuple):
    """An environment of a registry; as text ``azureml/sklearn-1.5``, which is the name of no other environment."""

    registry: str
    name: str

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}"


def parse_registry_environment(text: str) -> RegistryEnvironment | None:
    """Return the environment of a registry that a text names, also as a curated one; None for any other text."""
    if match := _CURATED_ENVIRONMENT.fullmatch(text):
        return RegistryEnvironment(_CURATED_REGISTRY, match["name"])
    match = _REGISTRY_ENVIRONMENT.fullmatch(text)
    return RegistryEnvironment(match["registry"], match["name"]) if match else None


def bind_environment(asset: Asset, bindings: Mapping[str, str]) -> Asset:
    """Return an asset that refers to the environments by which mlgit.yml replaces those of registries.

    ``bindings`` are the addresses of environments by the names of those that they replace.
    """
    references = tuple(_bound_environments(asset.spec, bindings))
    return asset._replace(references=(*asset.references, *references)) if references else asset


def _bound_environments(spec: Spec, bindings: Mapping[str, str]) -> Iterator[Reference]:
    for keys, node in walk_nodes(spec):
        text = node.get(_ENVIRONMENT)
        name = parse_registry_environment(text) if isinstance(text, str) else None
        bound = bindings.get(str(name)) or bindings.get(name.name) if name else None
        if bound:
            address, _, version = bound.partition("@")
            yield Reference(join_pointer(*keys, _ENVIRONMENT), str(text), parse_address(address), version)


def resolve_zip_path(local_path: LocalPath, files: FileReader) -> LocalPath:
    """Return the path of an additional include; a missing ``x.zip`` means the folder ``x``, as in azure-ai-ml."""
    if not local_path.name.endswith(_ZIP_SUFFIX) or files.exists(local_path.path):
        return local_path
    folder = local_path.path.removesuffix(_ZIP_SUFFIX)
    return local_path._replace(path=folder) if files.exists(folder) else local_path


def parse_reference(pointer: str, text: str, kind: str, folder: str | None) -> Reference | LocalPath | None:
    """Return the reference or path of a text, or None if it names something outside of the workspace, such as a URI.

    ``folder`` is that of the file, None if a local path is not allowed.
    """
    if match := _JOB_OUTPUT_URI.match(text) or _RUN_URI.match(text):
        found = {"output": DEFAULT_ARTIFACTS, **match.groupdict(default="")}
        return Reference(
            pointer, text, Address("job", found["job"]), output=found["output"], path=found["path"].strip("/")
        )
    if kind and (match := _ASSET_REFERENCE.match(text)):
        if match["name"].startswith(_PREDEFINED_PREFIXES.get(kind, ())):
            return None
        address = Address(kind, match["name"])
        return Reference(pointer, text, address, match["version"] or "", match["label"] or "")
    if _URI_SCHEME.match(text):
        return make_data_reference(pointer, text)
    if folder is None:
        return None
    return _local_path(pointer, text, text, folder)


def _local_path(pointer: str, text: str, path: str, folder: str) -> LocalPath:
    return LocalPath(pointer, text, posixpath.normpath(posixpath.join(folder, path)))


@cache
def _pointer_parts(pointer: str) -> tuple[str, ...]:
    return tuple(pointer.strip("/").split("/"))


def _walk_site(value: Json, parts: Sequence[str], parents: Keys) -> Iterator[_SiteText]:
    """Yield every string at a site; ``parts`` are those of its pointer."""
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
            yield _SiteText((*parents, key), child, value)

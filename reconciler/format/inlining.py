"""Files whose content replaces their names, as in Azure ML: components, trials, environments, lists of packages.

Paths in such a file are relative to it. In the spec of the asset they are relative to the file of the asset, so that
the spec says everything by itself.
"""

from __future__ import annotations

import copy
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic
from reconciler.format.document import Document
from reconciler.format.included_file import has_file_prefix, load_included_file
from reconciler.format.kind import FileContent, Kind
from reconciler.format.kinds import kind_by_name
from reconciler.format.nodes import COMPONENT_FIELDS, Keys, walk_nodes
from reconciler.format.pointers import split_pointer, unescape_key
from reconciler.format.references import find_references_and_paths, relative_text
from reconciler.format.rule_context import RuleContext
from reconciler.model import FileReader, Json, LocalPath, Spec

_ENVIRONMENT, _PACKAGES = "environment", "conda_file"
_TASK = "task"  # of a parallel node
_MAX_FILES = 10_000
_MAX_TEXT = 20_000_000  # characters
_MAX_LEVELS = 20  # of files that include one another
_MAX_DEPTH = 100  # of keys


class InlinedSpec(NamedTuple):
    """The spec of an asset with the content of the files that it names, their paths, and what is wrong with them."""

    spec: Spec
    paths: Sequence[str] = ()
    diagnostics: Sequence[Diagnostic] = ()


def inline_files(context: RuleContext, kind: Kind) -> InlinedSpec:
    """Return the spec of an asset of a kind with the content of the files that it names.

    The name of a file stays if the file cannot be read or includes itself, and beyond the limits.
    """
    if kind.file_content is FileContent.PLAIN:
        return InlinedSpec(context.spec)
    inliner = _Inliner(kind, posixpath.dirname(context.path))
    part = inliner.inline(context, kind.file_content, (context.path,))
    return InlinedSpec(part.spec, tuple(inliner.parts), inliner.diagnostics)


class _Part(NamedTuple):
    """A file with those that it includes: how many they are, their length in characters, the depth of the innermost."""

    spec: Spec
    size: int
    files: int = 1
    depth: int = 0

    def with_included(self, included: _Part, keys: Keys) -> _Part:
        """Return this part with another one at the given keys, which is counted only."""
        depth = max(self.depth, len(keys) + included.depth)
        return _Part(self.spec, self.size + included.size, self.files + included.files, depth)


@dataclass(slots=True)
class _Inliner:
    """Reads each file once; ``folder`` is that of the asset."""

    kind: Kind
    folder: str
    parts: dict[str, _Part] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def inline(self, context: RuleContext, content: FileContent, trail: Sequence[str]) -> _Part:
        """Return a file with those that it includes; ``trail`` are the files from that of the asset to this one."""
        total = _Part(context.spec, len(context.document.text))
        values: dict[Keys, Json] = {}
        for keys, text, inner in list(_find_names(context.spec, content)):
            included = load_included_file(context, text)
            if included is None or included.path in trail:
                continue
            if len(trail) > _MAX_LEVELS:
                self._report(context, keys, f"files include one another more than {_MAX_LEVELS} levels deep")
                continue
            if included.path not in self.parts:
                self.parts[included.path] = self.inline(included, inner, (*trail, included.path))
            part = self.parts[included.path]
            if problem := _limit_problem(total.with_included(part, keys)):
                self._report(context, keys, problem)
            else:
                total = total.with_included(part, keys)
                values[keys] = part.spec
        if content is FileContent.NODE:
            values |= self._moved_paths(context, self.kind, values)
        if content is FileContent.ENVIRONMENT:
            values |= self._moved_paths(context, kind_by_name(_ENVIRONMENT), values)
        return total._replace(spec=_with_values(context.spec, values))

    def _moved_paths(self, context: RuleContext, kind: Kind, inlined: Mapping[Keys, Json]) -> Mapping[Keys, Json]:
        """Return the paths in a file as the file of the asset would write them."""
        folder = posixpath.dirname(context.path)
        if folder == self.folder:
            return {}
        targets = find_references_and_paths(context.spec, kind, folder, is_included=bool(kind.node_sites))
        paths = {tuple(split_pointer(path.pointer)): path for path in targets if isinstance(path, LocalPath)}
        return {keys: relative_text(path, self.folder) for keys, path in paths.items() if keys not in inlined}

    def _report(self, context: RuleContext, keys: Keys, problem: str) -> None:
        if not self.diagnostics:  # the others follow from it
            hint = "include fewer files, or register components and name them: azureml:NAME@latest"
            self.diagnostics.append(context.value_diagnostic("include-limit", problem, *keys, hint=hint))


def _limit_problem(total: _Part) -> str:
    if total.files > _MAX_FILES:
        return f"more than {_MAX_FILES:,} files are included, counted as often as they are used"
    if total.size > _MAX_TEXT:
        return f"the included files have more than {_MAX_TEXT:,} characters, counted as often as they are used"
    return f"files are included at more than {_MAX_DEPTH} levels of keys" if total.depth > _MAX_DEPTH else ""


def _find_names(spec: Spec, content: FileContent) -> Iterator[tuple[Keys, str, FileContent]]:
    """Yield the keys of each field that names a file, its text, and what that file has."""
    if content is FileContent.ENVIRONMENT:
        yield from _find_packages(spec, ())
    for keys, node in walk_nodes(spec) if content is FileContent.NODE else ():
        for name in COMPONENT_FIELDS:
            if isinstance(text := node.get(name), str):
                yield (*keys, name), text, FileContent.NODE
        yield from _find_environment(node, keys)
        if isinstance(task := node.get(_TASK), dict):
            yield from _find_environment(task, (*keys, _TASK))


def _find_environment(holder: Spec, keys: Keys) -> Iterator[tuple[Keys, str, FileContent]]:
    environment = holder.get(_ENVIRONMENT)
    if isinstance(environment, dict):
        yield from _find_packages(environment, (*keys, _ENVIRONMENT))
    elif isinstance(environment, str) and has_file_prefix(environment):
        yield (*keys, _ENVIRONMENT), environment, FileContent.ENVIRONMENT


def _find_packages(environment: Spec, keys: Keys) -> Iterator[tuple[Keys, str, FileContent]]:
    if isinstance(text := environment.get(_PACKAGES), str):
        yield (*keys, _PACKAGES), text, FileContent.PLAIN


def _with_values(spec: Spec, values: Mapping[Keys, Json]) -> Spec:
    """Return a spec with other values at some keys; what has none of them is shared."""
    copies: dict[Keys, Json] = {(): copy.copy(spec)} if values else {(): spec}
    for keys, value in values.items():
        for length, key in enumerate(keys[:-1]):
            if keys[: length + 1] not in copies:
                copies[keys[: length + 1]] = child = copy.copy(_get(copies[keys[:length]], key))
                _set(copies[keys[:length]], key, child)
        _set(copies[keys[:-1]], keys[-1], value)
    result: Spec = copies[()]
    return result


def _get(holder: Json, key: str) -> Json:
    return holder[int(key) if isinstance(holder, list) else key]


def _set(holder: Json, key: str, value: Json) -> None:
    holder[int(key) if isinstance(holder, list) else key] = value


def find_place(document: Document, source: str, pointer: str, files: FileReader | None) -> tuple[Document, str]:
    """Return the document with the value at a pointer of an asset's spec, and the pointer of the value in there.

    ``source`` is the path of the asset's own document. Without ``files`` that is the only one.
    """
    parts = pointer.split("/")[1:]
    value, start = document.data, 0
    for index, part in enumerate(parts):
        if isinstance(value, str):
            included = load_included_file(RuleContext(source, document, {}, files), value) if files else None
            if included is None:
                break
            document, source, value, start = included.document, included.path, included.spec, index
        key = unescape_key(part)
        value = value.get(key) if isinstance(value, dict) else None  # no file is named inside of a list
    return document, "".join(f"/{part}" for part in parts[start:])

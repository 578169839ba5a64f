"""Fields that may name a YAML file, whose content replaces the name, as in Azure ML."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from reconciler.format.pointers import find_value, split_pointer
from reconciler.model import Json, Spec

_FILE_PREFIX = "file:"


class InlinedField(NamedTuple):
    """A field that may name a file, by its JSON pointer; with ``needs_prefix`` a name begins with ``file:``."""

    pointer: str
    needs_prefix: bool = False


class InlinedFile(NamedTuple):
    """A file whose content replaces its name at a JSON pointer."""

    pointer: str
    path: str


def inline_files(
    data: Spec, fields: Sequence[InlinedField], source: str, load: Callable[[str], Json]
) -> tuple[Spec, tuple[InlinedFile, ...]]:
    """Return a document with the content of the files that its fields name, and these files.

    ``source`` is the path of the document, ``load`` returns the data of a file, None if it cannot be read: its name
    stays. A field inside of a file that was inlined, which comes later in ``fields``, is relative to that file.
    """
    spec, files = data, list[InlinedFile]()
    for field in fields:
        name = _file_name(spec, field)
        if not name:
            continue
        holder = files[-1].path if files and field.pointer.startswith(files[-1].pointer) else source
        path = posixpath.normpath(posixpath.join(posixpath.dirname(holder), name))
        files.append(InlinedFile(field.pointer, path))
        if (content := load(path)) is not None:
            spec = _with_value(spec, split_pointer(field.pointer), content)
    return spec, tuple(files)


def _file_name(spec: Spec, field: InlinedField) -> str:
    """Return the name of the file in a field, "" if it names none."""
    value = find_value(spec, split_pointer(field.pointer))
    if not isinstance(value, str) or (field.needs_prefix and not value.startswith(_FILE_PREFIX)):
        return ""
    return value.removeprefix(_FILE_PREFIX)


def _with_value(value: Json, keys: Sequence[str], new: Json) -> Json:
    if not keys:
        return new
    inner: Mapping[str, Json] = value
    return {**inner, keys[0]: _with_value(inner[keys[0]], keys[1:], new)}

"""What nodes of a pipeline take and give: the interface of their component, where its file is there to be read.

A component may be written in the node, or stand in a file (``./x.yml``, ``file:x.yml``) whose own paths count from
that file; one that is named by reference is not known here, and nobody complains about what it may or may not take.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from reconciler.diagnostics import has_errors
from reconciler.format.rules.parts import Part, mapping, works
from reconciler.format.subject import Subject
from reconciler.format.yaml import Document, parse
from reconciler.model import Json

_ELSEWHERE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_FILE = "file:"
# Fields that may name a file which is then part of this one: of which kind, and whether only with ``file:``.
_PARTS = {
    "component": ("component", False),
    "trial": ("component", False),
    "create_job": ("job", False),
    "environment": ("environment", True),
}


@dataclass(frozen=True, slots=True)
class Interface:
    """The inputs and outputs that a component declares, and the component itself in the file where it stands."""

    subject: Subject
    part: Part

    @property
    def inputs(self) -> Mapping[str, Json]:
        """Return the declared inputs by name."""
        return mapping(self.part.spec.get("inputs"))

    @property
    def outputs(self) -> Mapping[str, Json]:
        """Return the declared outputs by name."""
        return mapping(self.part.spec.get("outputs"))

    @property
    def shown(self) -> str:
        """Name the component as a message does."""
        return self.subject.document.path if not self.part.pointer else "the component written here"


def interface(subject: Subject, part: Part) -> Interface | None:
    """Return the interface of a node's component; None where it has none, or none that can be read."""
    for field in ("component", "trial"):
        value = part.spec.get(field)
        if isinstance(value, dict):
            return Interface(subject, part.inner(field))
        if isinstance(value, str):
            opened = open_file(subject, value)
            return Interface(opened, Part((), opened.spec)) if opened else None
    return None


def interfaces(subject: Subject, whole: Part) -> dict[str, Interface]:
    """Return the interfaces of a pipeline's nodes by the node's name, of those that are known; each file read once."""
    found: dict[str, Interface] = {}
    files: dict[str, Interface | None] = {}
    for name, node in whole.inner("jobs").mappings():
        text = node.spec.get("component", node.spec.get("trial"))
        if not isinstance(text, str):
            known = interface(subject, node)
        elif text in files:
            known = files[text]
        else:
            known = files[text] = interface(subject, node)
        if known is not None:
            found[name] = known
    return found


def local(text: str) -> str | None:
    """Return the path that a text names, without ``file:``; None where it names something that is no file here."""
    if text.lower().startswith(_FILE):
        return text[len(_FILE) :]
    return None if _ELSEWHERE.match(text) else text


def open_file(subject: Subject, text: str) -> Subject | None:
    """Read the YAML file that a text names beside this one; None where there is no mapping to be read."""
    path = local(text)
    if not path or posixpath.isabs(path):
        return None
    target = subject.beside(path)
    if not subject.files.exists(target):
        return None
    try:
        raw = subject.files.file(target)
    except (KeyError, OSError):  # a folder
        return None
    document = _parsed(subject.files.shown(target), raw)
    if document is None or not isinstance(document.data, dict):
        return None
    return Subject(target, document, document.data, subject.files)


@lru_cache(maxsize=512)
def _parsed(path: str, raw: bytes) -> Document | None:
    document, problems = parse(path, raw)
    return None if has_errors(problems) else document


def reached(subject: Subject) -> Iterator[tuple[str, Subject]]:
    """Yield the files that are part of this one, and parts of those, each once: what kind it must be, and the file."""
    seen = {subject.path}
    waiting = [subject]
    while waiting:
        user = waiting.pop(0)
        for kind, opened in _parts(user):
            if opened.path not in seen:
                seen.add(opened.path)
                waiting.append(opened)
                yield kind, opened


def _parts(subject: Subject) -> Iterator[tuple[str, Subject]]:
    named = {
        (kind, value): None
        for part in works(subject)
        for field, (kind, marked) in _PARTS.items()
        if isinstance(value := part.spec.get(field), str) and (not marked or value.lower().startswith(_FILE))
    }
    for kind, value in named:
        if opened := open_file(subject, value):
            yield kind, opened

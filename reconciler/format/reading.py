"""One file, read: what it declares, what it mentions and everything that is wrong in it by itself."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from reconciler.diagnostics import Diagnostic, Severity, has_errors
from reconciler.format.behind import behind, unfetched
from reconciler.format.config import ANY, Glob
from reconciler.format.forms import malformed
from reconciler.format.kind import Kind
from reconciler.format.kinds import kind_named
from reconciler.format.lowering import lowered
from reconciler.format.recognition import PROMPTFLOW, recognise
from reconciler.format.references import located, mentions
from reconciler.format.rules.components import reached
from reconciler.format.schemas import check
from reconciler.format.subject import Subject
from reconciler.format.yaml import Document, parse
from reconciler.model import NOTHING, Address, Asset, Files, Json, LocalPath, Reference, Spec, Tree

# What means to be an asset, readable or not: it names a schema of Azure ML, of whatever kind.
_MEANT = re.compile(rb"""(?:^|[{,])\s*["']?\$schema["']?\s*:[^\n]*azureml""", re.MULTILINE | re.IGNORECASE)


# What a mistyped field makes look as if something were missing.
_FOLLOWING = frozenset(
    {
        "binding-dangling",
        "deployment-empty",
        "environment-conda",
        "environment-neither",
        "expression-undeclared",
        "input-missing",
        "node-compute",
        "spark-compute",
    }
)
# What an asset that cannot be read looks like: some of these at the beginning of lines.
_FIELDS = re.compile(
    rb"^(command|environment|compute|conda_file|image|jobs|inputs|outputs|path|type|code)\s*:", re.MULTILINE
)
_HEAD = 100_000  # bytes in which the fields of an asset show
_ANY_NAME = "part"
_MOST = 50  # diagnostics of one rule in one file


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading one file that is, or means to be, an asset. No asset where an error stands.

    ``address`` is what the file declares, or would without its errors.
    """

    path: str
    document: Document
    kind: Kind | None
    asset: Asset | None
    diagnostics: tuple[Diagnostic, ...]
    address: Address | None = None


def read(files: Files, path: str, glob: Glob = ANY, rules: Mapping[str, str] = NOTHING) -> Reading | None:
    """Read the file at a path; None where it is nothing of ours.

    ``glob`` is what mlgit.yml says of the file, ``rules`` how much each diagnostic matters.
    """
    raw = files.file(path)
    document, unreadable = parse(files.shown(path), raw)
    kind = recognise(document.data)
    if kind is None and glob.kind and isinstance(document.data, dict):
        kind = kind_named(glob.kind)
    if kind is None:
        return _unclaimed(path, document, unreadable) if _meant(raw, glob, document) else None
    problems = list(unreadable)
    problems += check(document, kind.name)
    address = Address(kind.name, _name(files, path, kind, document.data))
    if has_errors(problems):
        problems += lowered(_besides(Subject(path, document, document.data, files), kind, problems), rules)
        return Reading(path, document, kind, None, tuple(problems), address)
    asset, found = _asset(files, path, document, kind, glob)
    problems += lowered(found, rules)
    return Reading(path, document, kind, None if has_errors(problems) else asset, tuple(problems), address)


def _meant(raw: bytes, glob: Glob, document: Document) -> bool:
    """Tell whether a file whose kind is not known means to be an asset."""
    if isinstance(document.data, dict) and PROMPTFLOW in str(document.data.get("$schema", "")).lower():
        return False
    unread = document.data is None and len(set(_FIELDS.findall(raw[:_HEAD]))) > 1
    return bool(glob.kind) or unread or glob.names(document.path) or _MEANT.search(raw) is not None


def _besides(subject: Subject, kind: Kind, problems: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
    """Yield what rules find beside what the schema found: not the same once more, nor what only follows from it."""
    lines = {each.span.line for each in problems if each.span}
    for each in _judged(subject, kind):
        if each.code not in _FOLLOWING and (each.span is None or each.span.line not in lines):
            yield each


def _unclaimed(path: str, document: Document, unreadable: tuple[Diagnostic, ...]) -> Reading:
    if document.data is None or not isinstance(document.data, dict):
        return Reading(path, document, None, None, unreadable)
    return Reading(path, document, None, None, (*unreadable, _kindless(document)))


def _kindless(document: Document) -> Diagnostic:
    """Say that nobody knows what a file is: of no great matter where a newer mlgit may; more where it is asked for."""
    if "$schema" in document.data:
        message = f"mlgit does not know the kind of asset that {document.data['$schema']} describes"
        hint = "leave the file out with assets: exclude: in mlgit.yml"
        return Diagnostic("kind-unknown", message, document.value("/$schema"), hint, Severity.NOTE)
    message = "mlgit.yml names this file, and nothing in it says what kind of asset it is"
    hint = "write its $schema: in the file, or its kind: beside the glob in mlgit.yml"
    return Diagnostic("kind-unknown", message, document.key(""), hint, Severity.WARNING)


def _asset(files: Files, path: str, document: Document, kind: Kind, glob: Glob) -> tuple[Asset, tuple[Diagnostic, ...]]:
    subject = Subject(path, document, document.data, files)
    problems = [*_judged(subject, kind), *_included(subject)]
    spec = _spliced(subject, kind)
    mentioned = mentions(spec, kind, posixpath.dirname(path))
    found = [located(each, files) if isinstance(each, LocalPath) else each for each in mentioned]
    problems += _unspliced(subject, kind)
    problems += _formless(subject, problems)
    problems += _out_of_reach(subject, found)
    asset = Asset(
        address=Address(kind.name, _name(files, path, kind, spec)),
        spec=spec,
        source=path,
        version=str(spec.get("version", "")),
        references=tuple(each for each in found if isinstance(each, Reference)),
        paths=tuple(each for each in found if isinstance(each, LocalPath)),
        runs_on_change=glob.runs_on_change,
    )
    return asset, (*problems, *_unprintable(asset, document))


def _unprintable(asset: Asset, document: Document) -> Iterator[Diagnostic]:
    """Yield names and versions that no line of text can show: they would forge what is shown beside them."""
    for field, value in (("name", asset.address.name), ("version", asset.version)):
        if not value.isprintable():
            message = f"the {field} {json.dumps(value)} has a character in it that cannot be shown"
            hint = f"write the {field} without line breaks, tabs and control characters"
            yield Diagnostic("name-unprintable", message, document.value(f"/{field}"), hint)


def _judged(subject: Subject, kind: Kind) -> Iterator[Diagnostic]:
    """Yield what the rules of a kind find; of one rule no more than a person would read."""
    for rule in kind.rules:
        yield from islice(rule(subject), _MOST)


def _included(subject: Subject) -> Iterator[Diagnostic]:
    """Yield what is wrong in the files that this one is made of, wherever they lie.

    What a part is called does not matter: it is registered under its content, not under its name.
    """
    for name, part in reached(subject):
        kind = kind_named(name)
        problems = check(_nameless(part.document), kind.name)
        found = problems if has_errors(problems) else (*problems, *_judged(part, kind))
        if found:
            named = part.document.value("/name")
            yield from (each for each in found if each.span != named or "name" not in part.spec)


def _nameless(document: Document) -> Document:
    """Give a part a name that nobody minds: to say what is wrong with a name that does not matter takes a while."""
    return replace(document, data={**document.data, "name": _ANY_NAME}) if "name" in document.data else document


def _unspliced(subject: Subject, kind: Kind) -> Iterator[Diagnostic]:
    """Yield why a file that is there cannot be put in the place of its name; an empty one has nothing to say."""
    for name in sorted(kind.spliced & subject.spec.keys()):
        value = subject.spec[name]
        path = subject.beside(value.removeprefix("file:")) if isinstance(value, str) else ""
        if path and subject.files.exists(path):
            found = parse(subject.files.shown(path), subject.files.file(path))[1]
            yield from (each for each in found if each.code != "yaml-empty")


def _formless(subject: Subject, said: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
    """Yield references that have no known form, where no rule has said more of them."""
    places = {each.span for each in said}
    for pointer, text, forms in malformed(subject.spec):
        place = subject.document.value(pointer)
        if place not in places:
            yield Diagnostic("reference-form", f"{text} is not a reference of any known form", place, forms)


def _out_of_reach(subject: Subject, found: Iterable[Reference | LocalPath]) -> Iterator[Diagnostic]:
    """Yield what a path names and Git cannot give; files of the disk are there or not, which the rules tell."""
    tree = subject.files
    if not isinstance(tree, Tree):
        return
    for each in found:
        if isinstance(each, LocalPath) and tree.exists(each.path):
            content = behind(tree, each.path)
            faults = (*content.faults, *unfetched(tree, each.path, content))
            yield from (fault.at(subject.document.value(each.pointer)) for fault in islice(faults, _MOST))


def _name(files: Files, path: str, kind: Kind, spec: Spec) -> str:
    """Name an asset: by its ``name``, within what its kind counts in, else by its path."""
    name = str(spec.get("name") or posixpath.splitext(files.shown(path))[0])
    return f"{spec[kind.within]}/{name}" if kind.within and spec.get(kind.within) else name


def _spliced(subject: Subject, kind: Kind) -> Spec:
    """Put the content of a named YAML file in the place of its name, as Azure ML does with conda files."""
    spec: dict[str, Json] = dict(subject.spec)
    for name in kind.spliced & spec.keys():
        if isinstance(spec[name], str):
            inner = subject.load(subject.beside(spec[name].removeprefix("file:")))
            spec[name] = spec[name] if inner is None else inner
    return spec

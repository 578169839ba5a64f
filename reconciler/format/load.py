"""One file, read: what it declares, what it mentions and everything that is wrong in it by itself."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from reconciler.diagnostics import Diagnostic, Severity, has_errors
from reconciler.format.detect import PROMPTFLOW, detect_kind
from reconciler.format.document import Document
from reconciler.format.include import ANY_FILE, IncludeGlob
from reconciler.format.kind import Kind
from reconciler.format.kinds import kind_by_name
from reconciler.format.path_content import find_lfs_pointers, resolve_path_content
from reconciler.format.references import find_references_and_paths, resolve_zip_path
from reconciler.format.rule_context import RuleContext
from reconciler.format.rules.components import find_included_files
from reconciler.format.rules.reference_syntax import find_malformed_references
from reconciler.format.schemas import check_against_schema
from reconciler.format.severity import apply_severity_overrides
from reconciler.format.yaml import parse_yaml
from reconciler.model import EMPTY_MAPPING, Address, Asset, FileReader, Json, LocalPath, Reference, Spec, Tree

# What means to be an asset, readable or not: it names a schema of Azure ML, of whatever kind.
_AZUREML_SCHEMA_KEY = re.compile(rb"""(?:^|[{,])\s*["']?\$schema["']?\s*:[^\n]*azureml""", re.MULTILINE | re.IGNORECASE)


# What a mistyped field makes look as if something were missing.
_SECONDARY_CODES = frozenset(
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
_ASSET_FIELDS = re.compile(
    rb"^(command|environment|compute|conda_file|image|jobs|inputs|outputs|path|type|code)\s*:", re.MULTILINE
)
_HEAD_BYTES = 100_000  # bytes in which the fields of an asset show
_PLACEHOLDER_NAME = "part"
_MAX_DIAGNOSTICS_PER_RULE = 50  # diagnostics of one rule in one file


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """What came of reading one file that is, or means to be, an asset. No asset where an error stands.

    ``address`` is what the file declares, or would without its errors.
    """

    path: str
    document: Document
    kind: Kind | None
    asset: Asset | None
    diagnostics: tuple[Diagnostic, ...]
    address: Address | None = None


def load_asset_file(
    files: FileReader, path: str, glob: IncludeGlob = ANY_FILE, rules: Mapping[str, str] = EMPTY_MAPPING
) -> LoadedFile | None:
    """Read the file at a path; None where it is nothing of ours.

    ``glob`` is what mlgit.yml says of the file, ``rules`` how much each diagnostic matters.
    """
    raw = files.read_file(path)
    document, unreadable = parse_yaml(files.display_path(path), raw)
    kind = detect_kind(document.data)
    if kind is None and glob.kind and isinstance(document.data, dict):
        kind = kind_by_name(glob.kind)
    if kind is None:
        return _load_unknown_kind(path, document, unreadable) if _is_intended_asset(raw, glob, document) else None
    problems = list(unreadable)
    problems += check_against_schema(document, kind.name)
    address = Address(kind.name, _asset_name(files, path, kind, document.data))
    if has_errors(problems):
        problems += apply_severity_overrides(
            _independent_rule_diagnostics(RuleContext(path, document, document.data, files), kind, problems), rules
        )
        return LoadedFile(path, document, kind, None, tuple(problems), address)
    asset, found = _build_asset(files, path, document, kind, glob)
    problems += apply_severity_overrides(found, rules)
    return LoadedFile(path, document, kind, None if has_errors(problems) else asset, tuple(problems), address)


def _is_intended_asset(raw: bytes, glob: IncludeGlob, document: Document) -> bool:
    """Tell whether a file whose kind is not known means to be an asset."""
    if isinstance(document.data, dict) and PROMPTFLOW in str(document.data.get("$schema", "")).lower():
        return False
    unread = document.data is None and len(set(_ASSET_FIELDS.findall(raw[:_HEAD_BYTES]))) > 1
    return (
        bool(glob.kind) or unread or glob.is_literal_match(document.path) or _AZUREML_SCHEMA_KEY.search(raw) is not None
    )


def _independent_rule_diagnostics(
    subject: RuleContext, kind: Kind, problems: Sequence[Diagnostic]
) -> Iterator[Diagnostic]:
    """Yield what rules find beside what the schema found: not the same once more, nor what only follows from it."""
    lines = {diagnostic.span.line for diagnostic in problems if diagnostic.span}
    for diagnostic in _run_rules(subject, kind):
        if diagnostic.code not in _SECONDARY_CODES and (diagnostic.span is None or diagnostic.span.line not in lines):
            yield diagnostic


def _load_unknown_kind(path: str, document: Document, unreadable: tuple[Diagnostic, ...]) -> LoadedFile:
    if document.data is None or not isinstance(document.data, dict):
        return LoadedFile(path, document, None, None, unreadable)
    return LoadedFile(path, document, None, None, (*unreadable, _unknown_kind_diagnostic(document)))


def _unknown_kind_diagnostic(document: Document) -> Diagnostic:
    """Say that nobody knows what a file is: of no great matter where a newer mlgit may; more where it is asked for."""
    if "$schema" in document.data:
        message = f"mlgit does not know the kind of asset that {document.data['$schema']} describes"
        hint = "leave the file out with assets: exclude: in mlgit.yml"
        return Diagnostic("kind-unknown", message, document.value_span("/$schema"), hint, Severity.NOTE)
    message = "mlgit.yml names this file, and nothing in it says what kind of asset it is"
    hint = "write its $schema: in the file, or its kind: beside the glob in mlgit.yml"
    return Diagnostic("kind-unknown", message, document.key_span(""), hint, Severity.WARNING)


def _build_asset(
    files: FileReader, path: str, document: Document, kind: Kind, glob: IncludeGlob
) -> tuple[Asset, tuple[Diagnostic, ...]]:
    subject = RuleContext(path, document, document.data, files)
    problems = [*_run_rules(subject, kind), *_check_included_files(subject)]
    spec = _inline_files(subject, kind)
    mentioned = find_references_and_paths(spec, kind, posixpath.dirname(path))
    found = [resolve_zip_path(each, files) if isinstance(each, LocalPath) else each for each in mentioned]
    problems += _check_inlined_files(subject, kind)
    problems += _check_reference_syntax(subject, problems)
    problems += _check_path_content(subject, found)
    asset = Asset(
        address=Address(kind.name, _asset_name(files, path, kind, spec)),
        spec=spec,
        source=path,
        version=str(spec.get("version", "")),
        references=tuple(each for each in found if isinstance(each, Reference)),
        paths=tuple(each for each in found if isinstance(each, LocalPath)),
        runs_on_change=glob.runs_on_change,
    )
    return asset, (*problems, *_check_printable(asset, document))


def _check_printable(asset: Asset, document: Document) -> Iterator[Diagnostic]:
    """Yield names and versions that no line of text can show: they would forge what is shown beside them."""
    for field, value in (("name", asset.address.name), ("version", asset.version)):
        if not value.isprintable():
            message = f"the {field} {json.dumps(value)} has a character in it that cannot be shown"
            hint = f"write the {field} without line breaks, tabs and control characters"
            yield Diagnostic("name-unprintable", message, document.value_span(f"/{field}"), hint)


def _run_rules(subject: RuleContext, kind: Kind) -> Iterator[Diagnostic]:
    """Yield what the rules of a kind find; of one rule no more than a person would read."""
    for rule in kind.rules:
        yield from islice(rule(subject), _MAX_DIAGNOSTICS_PER_RULE)


def _check_included_files(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield what is wrong in the files that this one is made of, wherever they lie.

    What a part is called does not matter: it is registered under its content, not under its name.
    """
    for name, part in find_included_files(subject):
        kind = kind_by_name(name)
        problems = check_against_schema(_with_placeholder_name(part.document), kind.name)
        found = problems if has_errors(problems) else (*problems, *_run_rules(part, kind))
        if found:
            named = part.document.value_span("/name")
            yield from (diagnostic for diagnostic in found if diagnostic.span != named or "name" not in part.spec)


def _with_placeholder_name(document: Document) -> Document:
    """Give a part a name that nobody minds: to say what is wrong with a name that does not matter takes a while."""
    return replace(document, data={**document.data, "name": _PLACEHOLDER_NAME}) if "name" in document.data else document


def _check_inlined_files(subject: RuleContext, kind: Kind) -> Iterator[Diagnostic]:
    """Yield why a file that is there cannot be put in the place of its name; an empty one has nothing to say."""
    for name in sorted(kind.inlined_fields & subject.spec.keys()):
        value = subject.spec[name]
        path = subject.resolve_relative_path(value.removeprefix("file:")) if isinstance(value, str) else ""
        if path and subject.files.exists(path):
            found = parse_yaml(subject.files.display_path(path), subject.files.read_file(path))[1]
            yield from (diagnostic for diagnostic in found if diagnostic.code != "yaml-empty")


def _check_reference_syntax(subject: RuleContext, said: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
    """Yield references that have no known form, where no rule has said more of them."""
    places = {diagnostic.span for diagnostic in said}
    for pointer, text, forms in find_malformed_references(subject.spec):
        place = subject.document.value_span(pointer)
        if place not in places:
            yield Diagnostic("reference-form", f"{text} is not a reference of any known form", place, forms)


def _check_path_content(subject: RuleContext, found: Iterable[Reference | LocalPath]) -> Iterator[Diagnostic]:
    """Yield what a path names and Git cannot give; files of the disk are there or not, which the rules tell."""
    tree = subject.files
    if not isinstance(tree, Tree):
        return
    for each in found:
        if isinstance(each, LocalPath) and tree.exists(each.path):
            content = resolve_path_content(tree, each.path)
            faults = (*content.unavailable, *find_lfs_pointers(tree, each.path, content))
            yield from (
                fault.to_diagnostic(subject.document.value_span(each.pointer))
                for fault in islice(faults, _MAX_DIAGNOSTICS_PER_RULE)
            )


def _asset_name(files: FileReader, path: str, kind: Kind, spec: Spec) -> str:
    """Name an asset: by its ``name``, within what its kind counts in, else by its path."""
    name = str(spec.get("name") or posixpath.splitext(files.display_path(path))[0])
    return f"{spec[kind.parent_field]}/{name}" if kind.parent_field and spec.get(kind.parent_field) else name


def _inline_files(subject: RuleContext, kind: Kind) -> Spec:
    """Put the content of a named YAML file in the place of its name, as Azure ML does with conda files."""
    spec: dict[str, Json] = dict(subject.spec)
    for name in kind.inlined_fields & spec.keys():
        if isinstance(spec[name], str):
            inner = subject.load_yaml(subject.resolve_relative_path(spec[name].removeprefix("file:")))
            spec[name] = spec[name] if inner is None else inner
    return spec

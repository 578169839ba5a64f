"""Load one asset file: its kind, its asset with references and paths, and the diagnostics of the file."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from reconciler.diagnostics import Diagnostic, Severity, Span, has_errors
from reconciler.format.assets import AssetSet, LoadedFile, build_asset_set, possible_names
from reconciler.format.detect import (
    azureml_schema_url,
    detect_kind,
    has_asset_keys,
    ignored_file_diagnostic,
    is_certain,
    is_promptflow_schema,
    names_azureml_schema,
    nested_schema_offset,
    unknown_kind_diagnostic,
)
from reconciler.format.document import Document, DocumentOverride, keep_document
from reconciler.format.dvc_pointers import find_inner_pointers
from reconciler.format.include import ANY_FILE, IncludeGlob
from reconciler.format.inlining import find_place, inline_files
from reconciler.format.kind import Kind
from reconciler.format.kinds import kind_by_name
from reconciler.format.mirrors import MirroredFiles
from reconciler.format.output_assets import find_unregistrable_outputs, possible_addresses
from reconciler.format.path_content import find_lfs_pointers, find_path_problem, resolve_path_content
from reconciler.format.references import find_references_and_paths, resolve_zip_path
from reconciler.format.rule_context import RuleContext
from reconciler.format.rules import RULE_SETS
from reconciler.format.rules.components import find_included_files
from reconciler.format.rules.reference_syntax import find_malformed_references
from reconciler.format.schemas import check_against_schema
from reconciler.format.severity import apply_severity_overrides
from reconciler.format.yaml import parse_yaml
from reconciler.model import (
    EMPTY_MAPPING,
    Address,
    Asset,
    FileReader,
    LocalPath,
    PathProblem,
    Reference,
    Spec,
    Tree,
)
from reconciler.secrets.redact import mask_secrets, secret_values

# Codes that are likely consequences of a mistyped field.
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
_PLACEHOLDER_NAME = "part"
_MAX_DIAGNOSTICS_PER_RULE = 50  # in one file
_MAX_RUN_NAME_BYTES = 200  # a file name has at most 255, and a run's id adds nine to the name of its job


def load_assets(
    files: FileReader, paths: Iterable[tuple[str, IncludeGlob]], rules: Mapping[str, str] = EMPTY_MAPPING
) -> AssetSet:
    """Return the assets of files, each given by its path from the top of the repository and its glob."""
    loaded = (load_asset_file(files, path, glob, rules) for path, glob in paths)
    return build_asset_set((file for file in loaded if file is not None), files)


def load_asset_file(
    files: FileReader,
    path: str,
    glob: IncludeGlob = ANY_FILE,
    rules: Mapping[str, str] = EMPTY_MAPPING,
    override: DocumentOverride = keep_document,
) -> LoadedFile | None:
    """Return the file at a path, or None if it is not meant to be an asset.

    ``glob`` is the glob of mlgit.yml that includes the file, ``rules`` are the severity overrides. ``override`` gives
    the document, once its kind is known, the values that are to count instead of its own.
    """
    raw = files.read_file(path)
    if not raw and (problem := find_path_problem(files, path)):
        return _load_unusable_path(files.display_path(path), problem)
    document, unreadable = parse_yaml(files.display_path(path), raw)
    kind = _kind_of_document(document, glob)
    if kind is None:
        return _load_unknown_kind(path, document, unreadable) if _is_intended_asset(raw, glob, document) else None
    document, wrong_options = override(document, kind.name)
    diagnostics = [*unreadable, *wrong_options, *check_against_schema(document, kind.name)]
    context = RuleContext(path, document, document.data, files)
    inlined = inline_files(context, kind)
    diagnostics += inlined.diagnostics
    address = Address(kind.name, _asset_name(files, path, kind, document.data))
    if has_errors(diagnostics):
        diagnostics += apply_severity_overrides(_independent_rule_diagnostics(context, kind, diagnostics), rules)
        masked = _mask_secrets(diagnostics, document)
        return LoadedFile(path, document, kind, None, masked, address, _build_asset(context, inlined.spec, kind, glob))
    asset = _build_asset(context, inlined.spec, kind, glob)
    diagnostics += apply_severity_overrides(_check_asset(context, kind, asset), rules)
    is_meant = glob.kind or override is not keep_document or is_certain(document, kind)
    if has_errors(diagnostics) and not is_meant:
        ignored = ignored_file_diagnostic(document, kind, diagnostics)
        return LoadedFile(path, document, None, None, _mask_secrets([ignored], document))
    valid, faulty = (None, asset) if has_errors(diagnostics) else (asset, None)
    return LoadedFile(path, document, kind, valid, _mask_secrets(diagnostics, document), address, faulty)


def load_declaration(files: FileReader, path: str, glob: IncludeGlob = ANY_FILE) -> LoadedFile | None:
    """Return the file at a path unchecked, its asset whatever is wrong with it; None if it declares no asset."""
    document, _ = parse_yaml(files.display_path(path), files.read_file(path))
    kind = _kind_of_document(document, glob)
    if kind is None:
        return None
    context = RuleContext(path, document, document.data, files)
    asset = _build_asset(context, inline_files(context, kind).spec, kind, glob)
    return LoadedFile(path, document, kind, asset, (), asset.address)


def read_declared_addresses(
    files: FileReader, path: str, glob: IncludeGlob = ANY_FILE
) -> tuple[tuple[Address, ...], frozenset[str]]:
    """Return the addresses that the file at a path declares; of a file that is not YAML the possible names."""
    document, unreadable = parse_yaml(files.display_path(path), files.read_file(path))
    kind = _kind_of_document(document, glob)
    if kind is not None:
        own = Address(kind.name, _asset_name(files, path, kind, document.data))
        return (own, *possible_addresses(kind.name, document.data)), frozenset()
    return (), possible_names(document) if has_errors(unreadable) else frozenset()


def _kind_of_document(document: Document, glob: IncludeGlob) -> Kind | None:
    kind = detect_kind(document)
    return kind_by_name(glob.kind) if kind is None and glob.kind and isinstance(document.data, dict) else kind


def _mask_secrets(diagnostics: Sequence[Diagnostic], document: Document) -> tuple[Diagnostic, ...]:
    """Return diagnostics whose messages quote none of the secrets of a file."""
    values = secret_values(document.data) if diagnostics else ()
    if not values:
        return tuple(diagnostics)
    return tuple(
        diagnostic._replace(
            message=mask_secrets(diagnostic.message, values), hint=mask_secrets(diagnostic.hint, values)
        )
        for diagnostic in diagnostics
    )


def _load_unusable_path(path: str, problem: PathProblem) -> LoadedFile:
    diagnostic = Diagnostic(problem.code, str(problem), Span(path), problem.hint)
    return LoadedFile(path, Document(path, None), None, None, (diagnostic,))


def _is_intended_asset(raw: bytes, glob: IncludeGlob, document: Document) -> bool:
    """Return True if a file of unknown kind is meant to be an asset, even if it cannot be parsed."""
    if glob.kind or glob.is_literal_match(document.path):
        return True
    if document.data is None:
        return names_azureml_schema(raw) or has_asset_keys(raw)
    url = azureml_schema_url(document)
    return not is_promptflow_schema(url) if url else nested_schema_offset(document) >= 0


def _independent_rule_diagnostics(
    context: RuleContext, kind: Kind, schema_diagnostics: Sequence[Diagnostic]
) -> Iterator[Diagnostic]:
    """Yield the diagnostics of rules that neither repeat a schema error nor are a likely consequence of one."""
    lines = {(diagnostic.span.path, diagnostic.span.line) for diagnostic in schema_diagnostics if diagnostic.span}
    for diagnostic in _run_rules(context, kind):
        span = diagnostic.span
        if diagnostic.code not in _SECONDARY_CODES and (span is None or (span.path, span.line) not in lines):
            yield diagnostic


def _load_unknown_kind(path: str, document: Document, unreadable: tuple[Diagnostic, ...]) -> LoadedFile:
    if document.data is None:
        return LoadedFile(path, document, None, None, unreadable)
    return LoadedFile(path, document, None, None, (*unreadable, unknown_kind_diagnostic(document)))


def _build_asset(context: RuleContext, spec: Spec, kind: Kind, glob: IncludeGlob) -> Asset:
    """Return the asset of a file, whose spec has the content of the files that it names."""
    files = context.files
    mirrored = MirroredFiles(glob.mirrors, files) if glob.mirrors else None
    targets = list(find_references_and_paths(spec, kind, posixpath.dirname(context.path), mirrored))
    paths = tuple(resolve_zip_path(target, files) for target in targets if isinstance(target, LocalPath))
    return Asset(
        address=Address(kind.name, _asset_name(files, context.path, kind, spec)),
        spec=spec,
        source=context.path,
        version=str(spec.get("version", "")),
        references=tuple(target for target in targets if isinstance(target, Reference)),
        paths=paths,
        runs_on_change=glob.runs_on_change,
    )


def _check_asset(context: RuleContext, kind: Kind, asset: Asset) -> tuple[Diagnostic, ...]:
    diagnostics = [
        *_run_rules(context, kind),
        *_check_included_files(context),
        *find_unregistrable_outputs(asset, context.document, context.files),
    ]
    diagnostics += _check_reference_syntax(context, diagnostics)
    diagnostics += _check_path_content(context, asset.paths)
    unusable = (*_check_printable(asset, context.document), *_check_run_name(asset, kind, context.document))
    spans = {diagnostic.span for diagnostic in unusable}
    return (*(diagnostic for diagnostic in diagnostics if diagnostic.span not in spans), *unusable)


def _check_printable(asset: Asset, document: Document) -> Iterator[Diagnostic]:
    """Yield a diagnostic for a name or version that is not printable: it could forge the output around it."""
    for field, value in (("name", asset.address.name), ("version", asset.version)):
        if not value.isprintable():
            message = f"the {field} {json.dumps(value)} contains a character that is not printable"
            hint = f"remove line breaks, tabs and control characters from the {field}"
            yield Diagnostic("name-unprintable", message, document.value_span(f"/{field}"), hint)


def _check_run_name(asset: Asset, kind: Kind, document: Document) -> Iterator[Diagnostic]:
    """Yield a diagnostic for the name of a job whose runs could have no folder: it is called as the run is."""
    size = len(posixpath.basename(asset.address.name).encode(errors="replace"))
    if kind.is_runnable and size > _MAX_RUN_NAME_BYTES:
        message = f"the name has {size} bytes: the folder of a run, which begins with it, could not be made"
        hint = f"use up to {_MAX_RUN_NAME_BYTES} bytes"
        yield Diagnostic("name-illegal", message, document.value_span("/name"), hint)


def _run_rules(context: RuleContext, kind: Kind) -> Iterator[Diagnostic]:
    """Yield the diagnostics of the rules of a kind, a limited number for each rule."""
    for rule in RULE_SETS[kind.rule_set]:
        yield from islice(rule(context), _MAX_DIAGNOSTICS_PER_RULE)


def _check_included_files(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield the diagnostics of the asset files that this one refers to by path, such as components of a pipeline.

    Their names are not checked: an included asset is registered by its content.
    """
    for kind_name, included in find_included_files(context):
        kind = kind_by_name(kind_name)
        diagnostics = check_against_schema(_with_placeholder_name(included.document), kind.name)
        if not has_errors(diagnostics):
            diagnostics = (*diagnostics, *_run_rules(included, kind))
        if diagnostics:
            name_span = included.document.value_span("/name") if "name" in included.spec else None
            yield from (diagnostic for diagnostic in diagnostics if name_span is None or diagnostic.span != name_span)


def _with_placeholder_name(document: Document) -> Document:
    """Return a document with a valid name: to explain an invalid one, which does not matter, is slow."""
    return replace(document, data={**document.data, "name": _PLACEHOLDER_NAME}) if "name" in document.data else document


def _check_reference_syntax(context: RuleContext, rule_diagnostics: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each malformed reference that no rule has reported already."""
    reported = {diagnostic.span for diagnostic in rule_diagnostics}
    for pointer, text, hint in find_malformed_references(context.spec):
        span = context.document.value_span(pointer)
        if span not in reported:
            yield Diagnostic("reference-form", f"{text} is not a valid reference", span, hint)


def _check_path_content(context: RuleContext, paths: Iterable[LocalPath]) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each file of a path whose content is not in Git; files on disk are checked by rules."""
    tree = context.files
    if not isinstance(tree, Tree):
        return
    pointers = {path.path: path.pointer for path in paths if tree.exists(path.path)}
    for path, pointer in pointers.items():
        content = resolve_path_content(tree, path)
        unavailable = (*content.unavailable, *find_lfs_pointers(tree, path, content))
        for file in unavailable[:_MAX_DIAGNOSTICS_PER_RULE]:
            document, place = find_place(context.document, context.path, pointer, tree)
            yield file.to_diagnostic(document.value_span(place))
        if pointer.endswith("/path") and (inner := find_inner_pointers(name for name, _ in content.files)):
            message = f"{', '.join(inner)} in {tree.display_path(path)} are pointers of DVC: the data is left out"
            hint = "name what one of them tracks, or track the whole folder with `dvc add`"
            yield Diagnostic("dvc-inside", message, context.document.value_span(pointer), hint, Severity.WARNING)


def _asset_name(files: FileReader, path: str, kind: Kind, spec: Spec) -> str:
    """Return the name of an asset: its ``name``, else its path without suffix, below the value of its parent field."""
    name = str(spec.get("name") or posixpath.splitext(files.display_path(path))[0])
    return f"{spec[kind.parent_field]}/{name}" if kind.parent_field and spec.get(kind.parent_field) else name

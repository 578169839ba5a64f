"""The operation import: generate files for live assets that no file declares, so that a plan finds no change."""

from __future__ import annotations

import copy
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.config.config import CONFIG_FILE, Config
from reconciler.diagnostics import Severity, user_error
from reconciler.format.emit import emit_asset_yaml
from reconciler.format.kind import Kind
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.format.pointers import escape_key, find_value, split_pointer
from reconciler.format.references import find_references_and_paths, relative_text, resolve_zip_path
from reconciler.model import Address, Json, LocalPath, Record, Tree, TreeEntry
from reconciler.planning.content import has_content, local_path_digest
from reconciler.planning.undeclared import find_registering_job
from reconciler.secrets.redact import REDACTED_KEY, hide_secrets
from reconciler.source.assets import read_asset_set

# The folders of kinds whose plural is not the name with an s.
_FOLDER_BY_KIND = {"data": "data", "compute": "compute"}
_REGULAR_FILE_MODE = 0o100644


@dataclass(frozen=True, slots=True)
class MissingContent:
    """Content that a generated file refers to and the tree lacks; ``path`` is from the top of the repository.

    ``commit`` has the content, "" if Git no longer has it. ``path_taken`` is True if the path has other content.
    """

    path: str
    commit: str
    path_taken: bool = False


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """A file to write: its path from the workspace root, its text, and what is missing for a plan without changes.

    ``redacted_text`` is the text to show; ``text`` may have secrets, such as variables that a job needs.
    """

    address: Address
    path: str
    text: str
    redacted_text: str
    secrets: tuple[str, ...] = ()
    missing_contents: tuple[MissingContent, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Importer:
    """Generates files for a tree; ``is_path_taken`` returns True if a path from the workspace root exists.

    ``current`` are the live records.
    """

    tree: Tree
    is_path_taken: Callable[[str], bool]
    current: Mapping[Address, Record]
    _trees_by_commit: dict[str, Tree | None] = field(default_factory=dict)
    _generated_paths: set[str] = field(default_factory=set)

    def generate_file(self, record: Record) -> GeneratedFile:
        """Return the file of a record; raises UserError if no path is free or this mlgit lacks the kind."""
        if record.address.kind not in kinds():
            message = f"{record.address} is of a kind that this version of mlgit does not support"
            raise user_error("import-impossible", message, "install a newer version of mlgit")
        kind = kind_by_name(record.address.kind)
        path = self._choose_path(record)
        spec: dict[str, Json] = copy.deepcopy(dict(record.spec))
        local_paths = self._local_paths(kind, record)
        for local_path in local_paths:
            _set_at_pointer(spec, local_path.pointer, relative_text(local_path, self._parent_folder(path)))
        secrets = tuple(_remove_secret_marks(spec, kind))
        comments = [f"left out by mlgit import: {pointer}, a secret whose value is not stored" for pointer in secrets]
        text = emit_asset_yaml(path, kind.name, spec, comments)
        redacted_text = emit_asset_yaml(path, kind.name, hide_secrets(spec), comments)
        self._generated_paths.add(path)
        missing = (self._missing_content(record, local_path) for local_path in local_paths)
        contents = tuple(content for content in missing if content)
        return GeneratedFile(record.address, path, text, redacted_text, secrets, contents)

    def add_plan_notes(self, config: Config, files: Sequence[GeneratedFile]) -> list[GeneratedFile]:
        """Read the files as a plan will once their missing content exists, and add its errors to them as notes."""
        blobs = {f"import:{file.path}": file.text.encode() for file in files}
        entries = dict(self.tree.entries)
        for content in (content for file in files for content in file.missing_contents):
            entries |= _entries_below(self._trees_by_commit.get(content.commit), content.path)
        entries |= {self.tree.root + file.path: TreeEntry(_REGULAR_FILE_MODE, f"import:{file.path}") for file in files}
        tree = replace(
            self.tree, entries=entries, read_blob=lambda oid: blobs[oid] if oid in blobs else self.tree.read_blob(oid)
        )
        asset_set = read_asset_set(tree, config)
        errors: dict[str, list[str]] = {}
        for diagnostic in asset_set.diagnostics:
            if diagnostic.severity is Severity.ERROR and diagnostic.span:
                errors.setdefault(diagnostic.span.path, []).append(diagnostic.message)
        return [
            replace(file, notes=tuple(errors.get(file.path, ())) or _not_included_notes(file, asset_set.assets))
            for file in files
        ]

    def _choose_path(self, record: Record) -> str:
        """Return the path that the file had when it was applied, else one in the folder of its kind.

        The file of a job that registers the asset is not one of its own.
        """
        address = record.address
        folder = _FOLDER_BY_KIND.get(address.kind, f"{address.kind}s")
        has_file = _is_writable_path(record.source) and find_registering_job(record, self.current) is None
        candidates = [record.source] if has_file else []
        if record.spec.get("name"):  # without a name field, the path is the name
            candidates.append(f"{folder}/{address.name.replace('/', '-')}.yml")
        if not candidates:
            message = f"{address} cannot be imported: its record does not name its file"
            raise user_error("import-impossible", message, f"write the file by hand; see `mlgit show {address}`")
        for candidate in candidates:
            if candidate not in self._generated_paths and not self.is_path_taken(candidate):
                return candidate
        paths = " and ".join(dict.fromkeys(candidates))
        message = f"{address} cannot be imported: {paths} exists already"
        raise user_error("import-impossible", message, "move the existing file; mlgit overwrites nothing")

    def _parent_folder(self, path: str) -> str:
        return posixpath.dirname(self.tree.root + path)

    def _local_paths(self, kind: Kind, record: Record) -> list[LocalPath]:
        references = find_references_and_paths(record.spec, kind, self._parent_folder(record.source))
        return [reference for reference in references if isinstance(reference, LocalPath)]

    def _missing_content(self, record: Record, local_path: LocalPath) -> MissingContent | None:
        """Return the content a path had when applied, if the tree now differs; else None."""
        applied_digest = record.contents.get(local_path.pointer, "")
        if not applied_digest or _has_content(self.tree, local_path, applied_digest):
            return None
        path_taken = self.tree.exists(resolve_zip_path(local_path, self.tree).path)
        for commit in filter(None, (record.lineage.get("commit", ""), record.declared_at)):
            tree = self._tree_at(commit)
            if tree is not None and _has_content(tree, local_path, applied_digest):
                return MissingContent(resolve_zip_path(local_path, tree).path, commit, path_taken)
        return MissingContent(local_path.path, "", path_taken)

    def _tree_at(self, commit: str) -> Tree | None:
        if commit not in self._trees_by_commit:
            self._trees_by_commit[commit] = self.tree.tree_at_commit(commit)
        return self._trees_by_commit[commit]


def _has_content(tree: Tree, local_path: LocalPath, digest: str) -> bool:
    """Return True if a path of a tree has the content of that digest."""
    local_path = resolve_zip_path(local_path, tree)
    return has_content(tree, local_path.path) and local_path_digest(tree, local_path) == digest


def _entries_below(tree: Tree | None, root: str) -> dict[str, TreeEntry]:
    entries = tree.entries.items() if tree else ()
    return {path: entry for path, entry in entries if path == root or path.startswith(f"{root}/")}


def _not_included_notes(file: GeneratedFile, declared: Mapping[Address, object]) -> tuple[str, ...]:
    if file.address in declared:
        return ()
    return (f"assets: in mlgit.yml does not include {file.path}, so a plan ignores it",)


def _is_writable_path(path: str) -> bool:
    """Return True if import may write an asset file at a path; a record must not make it write to .git/hooks."""
    *_, name = parts = path.split("/")
    is_hidden = any(not part or part.startswith(".") for part in parts)
    return not is_hidden and name != CONFIG_FILE and name.endswith((".yml", ".yaml"))


def _set_at_pointer(spec: Json, pointer: str, value: Json) -> None:
    *parents, key = split_pointer(pointer)
    parent = find_value(spec, parents)
    parent[int(key) if isinstance(parent, list) else key] = value


def _remove_secret_marks(spec: dict[str, Json], kind: Kind) -> Iterator[str]:
    """Remove the redacted values from a spec, and yield the pointer of each."""
    for name in sorted(kind.secret_fields & spec.keys()):
        if _is_secret_mark(spec[name]):
            del spec[name]
            yield f"/{escape_key(name)}"
        else:
            yield from _remove_nested_marks(spec[name], f"/{escape_key(name)}")


def _remove_nested_marks(value: Json, pointer: str) -> Iterator[str]:
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, item in reversed(items):  # backwards, so that indices in a list stay valid
        item_pointer = f"{pointer}/{escape_key(str(key))}"
        if _is_secret_mark(item):
            del value[key]
            yield item_pointer
        else:
            yield from _remove_nested_marks(item, item_pointer)


def _is_secret_mark(value: Json) -> bool:
    return isinstance(value, Mapping) and value.keys() == {REDACTED_KEY}

"""Files for what is live and no file declares: they say what was applied, so that a plan finds no change."""

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
from reconciler.format.references import find_references_and_paths, resolve_zip_path
from reconciler.model import Address, Json, LocalPath, Record, Tree, TreeEntry
from reconciler.planning.content import local_path_digest
from reconciler.secrets.redact import REDACTED_KEY, hide_secrets
from reconciler.source import workspace

# Where the files of a kind go that lie nowhere else: the folder of its plural, which these words do not have.
_FOLDER_BY_KIND = {"data": "data", "compute": "compute"}
_REGULAR_FILE_MODE = 0o100644


@dataclass(frozen=True, slots=True)
class MissingContent:
    """What a path of a written file names and is not there: from the top of the repository, and a commit that has it.

    ``commit`` is "" where Git has it no more, ``other`` says that something else stands at the path.
    """

    path: str
    commit: str
    path_taken: bool = False


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """One file to be written: its path from the workspace root, its text, and what it takes for a plan to agree.

    ``shown`` is the text without the secrets that are in it: variables that a job needs are written, never shown.
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
    """Drafts files in a tree; ``is_taken`` tells whether something stands at a path, from the workspace root."""

    tree: Tree
    is_taken: Callable[[str], bool]
    _trees_by_commit: dict[str, Tree | None] = field(default_factory=dict)
    _generated_paths: set[str] = field(default_factory=set)

    def generate_file(self, record: Record) -> GeneratedFile:
        """Write the file of a record. A UserError where there is no place for it, or its kind is not known here."""
        if record.address.kind not in kinds():
            message = f"{record.address} is of a kind that only a newer mlgit knows"
            raise user_error("import-impossible", message, "install a newer mlgit")
        kind = kind_by_name(record.address.kind)
        path = self._choose_path(record)
        spec: dict[str, Json] = copy.deepcopy(dict(record.spec))
        local = self._local_paths(kind, record)
        for each in local:
            _set_at_pointer(spec, each.pointer, _relative_path(each, self._parent_folder(path)))
        secrets = tuple(_remove_secret_marks(spec, kind))
        comments = [f"left out by mlgit import: {secret}, a secret, of which no value is kept" for secret in secrets]
        text, shown = (emit_asset_yaml(path, kind.name, secret, comments) for secret in (spec, hide_secrets(spec)))
        self._generated_paths.add(path)
        contents = tuple(filter(None, (self._missing_content(record, local_path) for local_path in local)))
        return GeneratedFile(record.address, path, text, shown, secrets, contents)

    def add_plan_notes(self, config: Config, drafts: Sequence[GeneratedFile]) -> list[GeneratedFile]:
        """Read the files as a plan will, once what they name is there, and note what it would say of each."""
        made = {f"import:{generated_file.path}": generated_file.text.encode() for generated_file in drafts}
        entries = dict(self.tree.entries)
        for missing_content in (content for draft in drafts for content in draft.missing_contents):
            entries |= _entries_below(self._trees_by_commit.get(missing_content.commit), missing_content.path)
        entries |= {
            self.tree.root + generated_file.path: TreeEntry(_REGULAR_FILE_MODE, f"import:{generated_file.path}")
            for generated_file in drafts
        }
        seen = replace(
            self.tree, entries=entries, read_blob=lambda oid: made[oid] if oid in made else self.tree.read_blob(oid)
        )
        found = workspace.read_asset_set(seen, config)
        wrong: dict[str, list[str]] = {}
        for problem in found.diagnostics:
            if problem.severity is Severity.ERROR and problem.span:
                wrong.setdefault(problem.span.path, []).append(problem.message)
        return [
            replace(
                generated_file,
                notes=tuple(wrong.get(generated_file.path, ())) or _not_included_notes(generated_file, found.assets),
            )
            for generated_file in drafts
        ]

    def _choose_path(self, record: Record) -> str:
        """Choose the path: that of the file there was, else one in the folder of the kind."""
        address = record.address
        folder = _FOLDER_BY_KIND.get(address.kind, f"{address.kind}s")
        candidates = [record.source] if _is_writable_path(record.source) else []
        if record.spec.get("name"):  # else the path is the name
            candidates.append(f"{folder}/{address.name.replace('/', '-')}.yml")
        candidates = list(dict.fromkeys(candidates))
        free = (
            candidate
            for candidate in candidates
            if candidate not in self._generated_paths and not self.is_taken(candidate)
        )
        found = next(free, None)
        if not candidates:
            message = f"{address} cannot be written: its record does not say in which file it was"
            raise user_error("import-impossible", message, "write its file by hand; `mlgit show` tells what it holds")
        if found is None:
            message = f"{address} cannot be written: something stands at {' and at '.join(candidates)} already"
            raise user_error("import-impossible", message, "move that out of the way; nothing is overwritten")
        return found

    def _parent_folder(self, path: str) -> str:
        return posixpath.dirname(self.tree.root + path)

    def _local_paths(self, kind: Kind, record: Record) -> list[LocalPath]:
        found = find_references_and_paths(record.spec, kind, self._parent_folder(record.source))
        return [each for each in found if isinstance(each, LocalPath)]

    def _missing_content(self, record: Record, local: LocalPath) -> MissingContent | None:
        """Return what stands not behind a path as it was applied; None where it does, or where nothing was."""
        applied = record.contents.get(local.pointer, "")
        there = self.tree.exists(resolve_zip_path(local, self.tree).path)
        if not applied or _has_content(self.tree, local, applied):
            return None
        for commit in filter(None, (record.lineage.get("commit", ""), record.declared_at)):
            then = self._tree_at(commit)
            if then is not None and _has_content(then, local, applied):
                return MissingContent(resolve_zip_path(local, then).path, commit, path_taken=there)
        return MissingContent(local.path, "", path_taken=there)

    def _tree_at(self, commit: str) -> Tree | None:
        if commit not in self._trees_by_commit:
            self._trees_by_commit[commit] = self.tree.tree_at_commit(commit)
        return self._trees_by_commit[commit]


def _has_content(tree: Tree, local: LocalPath, applied: str) -> bool:
    """Tell whether a tree has behind a path what was applied."""
    local = resolve_zip_path(local, tree)
    return tree.exists(local.path) and local_path_digest(tree, local) == applied


def _entries_below(tree: Tree | None, path: str) -> dict[str, TreeEntry]:
    found = tree.entries.items() if tree else ()
    return {each: entry for each, entry in found if each == path or each.startswith(f"{path}/")}


def _not_included_notes(draft: GeneratedFile, declared: Mapping[Address, object]) -> tuple[str, ...]:
    if draft.address in declared:
        return ()
    return (f"assets: in mlgit.yml does not include {draft.path}, so a plan does not see it",)


def _is_writable_path(path: str) -> bool:
    """Tell whether a file of assets may be put there: a record may be anybody's, and .git/hooks is no place for one."""
    *_, name = parts = path.split("/")
    hidden = any(not part or part.startswith(".") for part in parts)
    return not hidden and name != CONFIG_FILE and name.endswith((".yml", ".yaml"))


def _relative_path(local: LocalPath, folder: str) -> str:
    """Write a path as a file in another folder has to; where it still leads there, as it was written."""
    prefix = "file:" if local.text.startswith("file:") else ""
    there = posixpath.normpath(posixpath.join(folder, local.text.removeprefix(prefix)))
    if there == local.path:
        return local.text
    moved = posixpath.relpath(local.path, folder or ".")
    return prefix + (moved if moved.startswith(".") else f"./{moved}")


def _set_at_pointer(spec: Json, pointer: str, value: Json) -> None:
    *above, last = split_pointer(pointer)
    inside = find_value(spec, above)
    inside[int(last) if isinstance(inside, list) else last] = value


def _remove_secret_marks(spec: dict[str, Json], kind: Kind) -> Iterator[str]:
    """Take the marks of secrets out of a spec, and yield the pointer of each."""
    for name in sorted(kind.secret_fields & spec.keys()):
        if _is_secret_mark(spec[name]):
            del spec[name]
            yield f"/{escape_key(name)}"
        else:
            yield from _remove_nested_marks(spec[name], f"/{escape_key(name)}")


def _remove_nested_marks(value: Json, pointer: str) -> Iterator[str]:
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, pair in reversed(pairs):  # so that places in a list stay what they were
        below = f"{pointer}/{escape_key(str(key))}"
        if _is_secret_mark(pair):
            del value[key]
            yield below
        else:
            yield from _remove_nested_marks(pair, below)


def _is_secret_mark(value: Json) -> bool:
    return isinstance(value, Mapping) and value.keys() == {REDACTED_KEY}

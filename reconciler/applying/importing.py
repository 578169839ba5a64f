"""Files for what is live and no file declares: they say what was applied, so that a plan finds no change."""

from __future__ import annotations

import copy
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.diagnostics import Severity, failure
from reconciler.format.config import FILE, Config
from reconciler.format.kind import Kind
from reconciler.format.kinds import kind_named, kinds
from reconciler.format.pointers import escape, find, split
from reconciler.format.references import located, mentions
from reconciler.format.writing import written
from reconciler.model import Address, Entry, Json, LocalPath, Record, Tree
from reconciler.planning.content import identity
from reconciler.planning.masking import MARK
from reconciler.render.hiding import hidden
from reconciler.source import workspace as workspaces

# Where the files of a kind go that lie nowhere else: the folder of its plural, which these words do not have.
_FOLDERS = {"data": "data", "compute": "compute"}
_FILE = 0o100644


@dataclass(frozen=True, slots=True)
class Content:
    """What a path of a written file names and is not there: from the top of the repository, and a commit that has it.

    ``commit`` is "" where Git has it no more, ``other`` says that something else stands at the path.
    """

    path: str
    commit: str
    other: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """One file to be written: its path from the workspace root, its text, and what it takes for a plan to agree.

    ``shown`` is the text without the secrets that are in it: variables that a job needs are written, never shown.
    """

    address: Address
    path: str
    text: str
    shown: str
    secrets: tuple[str, ...] = ()
    contents: tuple[Content, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Importer:
    """Drafts files in a tree; ``is_taken`` tells whether something stands at a path, from the workspace root."""

    tree: Tree
    is_taken: Callable[[str], bool]
    _trees: dict[str, Tree | None] = field(default_factory=dict)
    _drafted: set[str] = field(default_factory=set)

    def draft(self, record: Record) -> Draft:
        """Write the file of a record. A UserError where there is no place for it, or its kind is not known here."""
        if record.address.kind not in kinds():
            message = f"{record.address} is of a kind that only a newer mlgit knows"
            raise failure("import-impossible", message, "install a newer mlgit")
        kind = kind_named(record.address.kind)
        path = self._place(record)
        spec: dict[str, Json] = copy.deepcopy(dict(record.spec))
        local = self._local(kind, record)
        for each in local:
            _put(spec, each.pointer, _relative(each, self._folder(path)))
        secrets = tuple(_without_marks(spec, kind))
        comments = [f"left out by mlgit import: {each}, a secret, of which no value is kept" for each in secrets]
        text, shown = (written(path, kind.name, each, comments) for each in (spec, hidden(spec)))
        self._drafted.add(path)
        contents = tuple(filter(None, (self._missing(record, each) for each in local)))
        return Draft(record.address, path, text, shown, secrets, contents)

    def checked(self, config: Config, drafts: Sequence[Draft]) -> list[Draft]:
        """Read the files as a plan will, once what they name is there, and note what it would say of each."""
        made = {f"import:{each.path}": each.text.encode() for each in drafts}
        entries = dict(self.tree.entries)
        for each in (content for draft in drafts for content in draft.contents):
            entries |= _below(self._trees.get(each.commit), each.path)
        entries |= {self.tree.root + each.path: Entry(_FILE, f"import:{each.path}") for each in drafts}
        seen = replace(self.tree, entries=entries, read=lambda oid: made[oid] if oid in made else self.tree.read(oid))
        found = workspaces.declared(seen, config)
        wrong: dict[str, list[str]] = {}
        for problem in found.diagnostics:
            if problem.severity is Severity.ERROR and problem.span:
                wrong.setdefault(problem.span.path, []).append(problem.message)
        return [replace(each, notes=tuple(wrong.get(each.path, ())) or _unseen(each, found.assets)) for each in drafts]

    def _place(self, record: Record) -> str:
        """Choose the path: that of the file there was, else one in the folder of the kind."""
        address = record.address
        folder = _FOLDERS.get(address.kind, f"{address.kind}s")
        candidates = [record.source] if _may_be_written(record.source) else []
        if record.spec.get("name"):  # else the path is the name
            candidates.append(f"{folder}/{address.name.replace('/', '-')}.yml")
        candidates = list(dict.fromkeys(candidates))
        free = (each for each in candidates if each not in self._drafted and not self.is_taken(each))
        found = next(free, None)
        if not candidates:
            message = f"{address} cannot be written: its record does not say in which file it was"
            raise failure("import-impossible", message, "write its file by hand; `mlgit show` tells what it holds")
        if found is None:
            message = f"{address} cannot be written: something stands at {' and at '.join(candidates)} already"
            raise failure("import-impossible", message, "move that out of the way; nothing is overwritten")
        return found

    def _folder(self, path: str) -> str:
        return posixpath.dirname(self.tree.root + path)

    def _local(self, kind: Kind, record: Record) -> list[LocalPath]:
        found = mentions(record.spec, kind, self._folder(record.source))
        return [each for each in found if isinstance(each, LocalPath)]

    def _missing(self, record: Record, local: LocalPath) -> Content | None:
        """Return what stands not behind a path as it was applied; None where it does, or where nothing was."""
        applied = record.contents.get(local.pointer, "")
        there = self.tree.exists(located(local, self.tree).path)
        if not applied or _holds(self.tree, local, applied):
            return None
        for commit in filter(None, (record.lineage.get("commit", ""), record.declared_at)):
            then = self._at(commit)
            if then is not None and _holds(then, local, applied):
                return Content(located(local, then).path, commit, other=there)
        return Content(local.path, "", other=there)

    def _at(self, commit: str) -> Tree | None:
        if commit not in self._trees:
            self._trees[commit] = self.tree.at(commit)
        return self._trees[commit]


def _holds(tree: Tree, local: LocalPath, applied: str) -> bool:
    """Tell whether a tree has behind a path what was applied."""
    local = located(local, tree)
    return tree.exists(local.path) and identity(tree, local) == applied


def _below(tree: Tree | None, path: str) -> dict[str, Entry]:
    found = tree.entries.items() if tree else ()
    return {each: entry for each, entry in found if each == path or each.startswith(f"{path}/")}


def _unseen(draft: Draft, declared: Mapping[Address, object]) -> tuple[str, ...]:
    if draft.address in declared:
        return ()
    return (f"assets: in mlgit.yml does not include {draft.path}, so a plan does not see it",)


def _may_be_written(path: str) -> bool:
    """Tell whether a file of assets may be put there: a record may be anybody's, and .git/hooks is no place for one."""
    *_, name = parts = path.split("/")
    hidden = any(not part or part.startswith(".") for part in parts)
    return not hidden and name != FILE and name.endswith((".yml", ".yaml"))


def _relative(local: LocalPath, folder: str) -> str:
    """Write a path as a file in another folder has to; where it still leads there, as it was written."""
    prefix = "file:" if local.text.startswith("file:") else ""
    there = posixpath.normpath(posixpath.join(folder, local.text.removeprefix(prefix)))
    if there == local.path:
        return local.text
    moved = posixpath.relpath(local.path, folder or ".")
    return prefix + (moved if moved.startswith(".") else f"./{moved}")


def _put(spec: Json, pointer: str, value: Json) -> None:
    *above, last = split(pointer)
    inside = find(spec, above)
    inside[int(last) if isinstance(inside, list) else last] = value


def _without_marks(spec: dict[str, Json], kind: Kind) -> Iterator[str]:
    """Take the marks of secrets out of a spec, and yield the pointer of each."""
    for name in sorted(kind.secret & spec.keys()):
        if _is_mark(spec[name]):
            del spec[name]
            yield f"/{escape(name)}"
        else:
            yield from _taken_out(spec[name], f"/{escape(name)}")


def _taken_out(value: Json, pointer: str) -> Iterator[str]:
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, each in reversed(pairs):  # so that places in a list stay what they were
        below = f"{pointer}/{escape(str(key))}"
        if _is_mark(each):
            del value[key]
            yield below
        else:
            yield from _taken_out(each, below)


def _is_mark(value: Json) -> bool:
    return isinstance(value, Mapping) and value.keys() == {MARK}

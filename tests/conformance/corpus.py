"""Real files by others, with what azure-ai-ml says of each, laid out in a folder with everything beside them.

As a script it lists every disagreement: ``python tests/conformance/corpus.py [--all]``.
"""

from __future__ import annotations

import copy
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.source.disk import DiskFiles
from reconciler.source.validation import check_files

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "azureml-examples"


@dataclass(frozen=True, slots=True)
class Case:
    """A file of the corpus, or one place of it changed: what azure-ai-ml says, and why."""

    path: str
    kind: str
    accepted: bool
    reason: str
    flags: str = ""
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What mlgit says of a case."""

    case: Case
    found: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(diagnostic for diagnostic in self.found if diagnostic.severity is Severity.ERROR)

    @property
    def agrees(self) -> bool:
        return self.case.accepted == (not self.errors)

    def __str__(self) -> str:
        said = "; ".join(f"{diagnostic.code}: {diagnostic.message}" for diagnostic in self.errors) or "accepted"
        azure = "accepts" if self.case.accepted else f"rejects ({self.case.reason[:160]})"
        return f"{self.case.path} {self.case.pointer}\n    azure-ai-ml {azure}\n    mlgit: {said[:300]}"


def lay_out(folder: Path) -> None:
    """Copy the corpus and make the files that exist beside it, empty."""
    shutil.copytree(CORPUS, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for line in (CORPUS / "other-paths.txt").read_text("utf-8").splitlines():
        path = folder / line
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch()


def files() -> list[Case]:
    """Return the files with their labels."""
    rows = [line.split("\t") for line in (CORPUS / "labels.tsv").read_text("utf-8").splitlines()[1:]]
    padded = [[*row, "", "", ""] for row in rows]
    return [Case(row[0], row[1], row[3] == "accept", row[5], row[4]) for row in padded]


def mutants(folder: Path) -> Iterator[Case]:
    """Write each mutant beside its base and yield its case."""
    bases: dict[str, Any] = {}
    for index, line in enumerate((CORPUS / "mutants.jsonl").read_text("utf-8").splitlines()):
        made = json.loads(line)
        base = bases.setdefault(made["base"], yaml.safe_load((CORPUS / made["base"]).read_text("utf-8-sig")))
        path = f"{made['base'].rpartition('/')[0]}/zz-mutant-{index}.yml"
        document = changed(base, made["op"], made["pointer"], made["value"])
        (folder / path).write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
        where = f"({made['op']} {made['pointer']} {json.dumps(made['value'])[:40]} of {made['base']})"
        yield Case(path, made["kind"], made["verdict"] == "accept", made["reason"] or "", pointer=where)


def changed(document: Any, op: str, pointer: str, value: Any) -> Any:
    """Return a document with one place changed; keys are compared as text, because YAML has other ones."""
    document = copy.deepcopy(document)
    *above, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    at = document
    for part in above:
        at = at[_key(at, part)]
    key = last if op == "add" and isinstance(at, dict) else _key(at, last)
    if op in {"add", "replace"}:
        at[key] = value
    elif op == "remove":
        del at[key]
    else:
        items = [(value if each == key else each, kept) for each, kept in at.items()]
        at.clear()
        at.update(items)
    return document


def _key(at: Any, part: str) -> Any:
    return int(part) if isinstance(at, list) else next(each for each in at if str(each) == part)


def judge(folder: Path, cases: list[Case]) -> list[Verdict]:
    """Let mlgit check the files of cases, as it checks any files."""
    checked = check_files(DiskFiles(folder, {}), [case.path for case in cases], None, one_workspace=False)
    found: dict[str, list[Diagnostic]] = {}
    for diagnostic in checked.diagnostics:
        if diagnostic.span is not None:
            found.setdefault(diagnostic.span.path, []).append(diagnostic)
    return [Verdict(case, tuple(found.get(case.path, ()))) for case in cases]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(folder)
        for title, cases in (("files", files()), ("mutants", list(mutants(folder)))):
            verdicts = judge(folder, cases)
            for accepted, what in ((True, "accepted"), (False, "rejected")):
                of = [verdict for verdict in verdicts if verdict.case.accepted is accepted]
                wrong = [each for each in of if not each.agrees]
                print(f"\n{title} that azure-ai-ml {what}: {len(of)}, of which mlgit disagrees on {len(wrong)}")
                for each in wrong if "--all" in sys.argv else wrong[:200]:
                    print(f"  {each}")


if __name__ == "__main__":
    main()

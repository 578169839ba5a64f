"""The conformance corpus: files of azureml-examples with the verdicts of azure-ai-ml, copied to a folder.

Run as a script, it lists every disagreement: ``python tests/conformance/corpus.py [--all]``.
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

# The corpus has the names of all files, and the text of YAML files only; a model without flavors is an error.
_MLMODEL = "flavors: {python_function: {}}\n"


@dataclass(frozen=True, slots=True)
class Case:
    """A file of the corpus, or a mutation of one, with the verdict of azure-ai-ml and its reason."""

    path: str
    kind: str
    accepted: bool
    reason: str
    flags: str = ""
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The diagnostics of mlgit for a case."""

    case: Case
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(diagnostic for diagnostic in self.diagnostics if diagnostic.severity is Severity.ERROR)

    @property
    def agrees(self) -> bool:
        return self.case.accepted == (not self.errors)

    def __str__(self) -> str:
        mlgit = "; ".join(f"{diagnostic.code}: {diagnostic.message}" for diagnostic in self.errors) or "accepted"
        azure = "accepts" if self.case.accepted else f"rejects ({self.case.reason[:160]})"
        return f"{self.case.path} {self.case.pointer}\n    azure-ai-ml {azure}\n    mlgit: {mlgit[:300]}"


def copy_corpus(folder: Path) -> None:
    """Copy the corpus to a folder, with empty files for everything else that azureml-examples has."""
    shutil.copytree(CORPUS, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for line in (CORPUS / "other-paths.txt").read_text("utf-8").splitlines():
        path = folder / line
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(_MLMODEL if path.name == "MLmodel" else "", "utf-8")


def file_cases() -> list[Case]:
    """Return the cases of the files of the corpus."""
    rows = [line.split("\t") for line in (CORPUS / "labels.tsv").read_text("utf-8").splitlines()[1:]]
    padded = [[*row, "", "", ""] for row in rows]
    return [Case(row[0], row[1], row[3] == "accept", row[5], row[4]) for row in padded]


def mutation_cases(folder: Path) -> Iterator[Case]:
    """Write each mutation beside its base file and yield its case."""
    bases: dict[str, Any] = {}
    for index, line in enumerate((CORPUS / "mutants.jsonl").read_text("utf-8").splitlines()):
        mutation = json.loads(line)
        base = bases.setdefault(mutation["base"], yaml.safe_load((CORPUS / mutation["base"]).read_text("utf-8-sig")))
        path = f"{mutation['base'].rpartition('/')[0]}/zz-mutant-{index}.yml"
        document = apply_mutation(base, mutation["op"], mutation["pointer"], mutation["value"])
        (folder / path).write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
        change = f"({mutation['op']} {mutation['pointer']} {json.dumps(mutation['value'])[:40]} of {mutation['base']})"
        yield Case(path, mutation["kind"], mutation["verdict"] == "accept", mutation["reason"] or "", pointer=change)


def apply_mutation(document: Any, op: str, pointer: str, value: Any) -> Any:
    """Return a copy of a document with one value changed; keys are compared as text, because YAML has other types."""
    document = copy.deepcopy(document)
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    container = document
    for part in parents:
        container = container[_key(container, part)]
    key = last if op == "add" and isinstance(container, dict) else _key(container, last)
    if op in {"add", "replace"}:
        container[key] = value
    elif op == "remove":
        del container[key]
    else:  # rename a key
        items = [(value if name == key else name, child) for name, child in container.items()]
        container.clear()
        container.update(items)
    return document


def _key(container: Any, part: str) -> Any:
    return int(part) if isinstance(container, list) else next(key for key in container if str(key) == part)


def check_cases(folder: Path, cases: list[Case]) -> list[Verdict]:
    """Return the verdicts of mlgit on cases."""
    checked = check_files(DiskFiles(folder, {}), [case.path for case in cases], None, across_files=False)
    by_path: dict[str, list[Diagnostic]] = {}
    for diagnostic in checked.diagnostics:
        if diagnostic.span is not None:
            by_path.setdefault(diagnostic.span.path, []).append(diagnostic)
    return [Verdict(case, tuple(by_path.get(case.path, ()))) for case in cases]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_corpus(folder)
        for title, cases in (("files", file_cases()), ("mutations", list(mutation_cases(folder)))):
            verdicts = check_cases(folder, cases)
            for is_accepted, outcome in ((True, "accepted"), (False, "rejected")):
                labelled = [verdict for verdict in verdicts if verdict.case.accepted is is_accepted]
                wrong = [verdict for verdict in labelled if not verdict.agrees]
                print(f"\n{title} {outcome} by azure-ai-ml: {len(labelled)}; mlgit disagrees on {len(wrong)}")
                for verdict in wrong if "--all" in sys.argv else wrong[:200]:
                    print(f"  {verdict}")


if __name__ == "__main__":
    main()

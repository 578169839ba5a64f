"""Real files by others: what azure-ai-ml accepts, no rule calls an error."""

from __future__ import annotations

import csv
from pathlib import Path, PurePosixPath

import pytest

from reconciler.diagnostics import Severity
from reconciler.format.kinds import kinds
from reconciler.format.rule_context import RuleContext
from reconciler.format.yaml import parse_yaml

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "azureml-examples"
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside this repository")


class CorpusFiles:
    """The files of the corpus, and those that are known to exist beside them."""

    def __init__(self):
        held = {path.relative_to(CORPUS).as_posix() for path in CORPUS.rglob("*") if path.is_file()}
        held |= set((CORPUS / "other-paths.txt").read_text("utf-8").splitlines())
        self._known = held | {str(folder) for each in held for folder in PurePosixPath(each).parents}

    def read_file(self, path):
        return (CORPUS / path).read_bytes() if (CORPUS / path).is_file() else b""

    def exists(self, path):
        return path in self._known

    def display_path(self, path):
        return path


def labelled(verdict):
    with (CORPUS / "labels.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row for row in rows if row["azure_ai_ml"] == verdict]


def errors(row, files):
    document, problems = parse_yaml(row["path"], files.read_file(row["path"]))
    found = list(problems)
    if isinstance(document.data, dict):
        subject = RuleContext(row["path"], document, document.data, files)
        found += [diagnostic for rule in kinds()[row["kind"]].rules for diagnostic in rule(subject)]
    return [str(diagnostic) for diagnostic in found if diagnostic.severity is Severity.ERROR]


def test_no_accepted_file_has_an_error():
    files = CorpusFiles()
    rows = labelled("accept")
    assert len(rows) > 200
    assert [problem for row in rows for problem in errors(row, files)] == []


def test_files_that_name_missing_files_are_rejected():
    files = CorpusFiles()
    missing = [
        row
        for row in labelled("reject")
        if row["kind"] in kinds()
        and any("path" in problem or "there is no" in problem for problem in errors(row, files))
    ]
    assert len(missing) >= 4

"""The rules on a corpus of existing files, with the verdicts of azure-ai-ml."""

from __future__ import annotations

import csv
from pathlib import Path, PurePosixPath

import pytest

from reconciler.diagnostics import Severity
from reconciler.format.kinds import kinds
from reconciler.format.rule_context import RuleContext
from reconciler.format.rules import RULE_SETS
from reconciler.format.yaml import parse_yaml

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "azureml-examples"
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside this repository")


class CorpusFiles:
    """A file reader over the corpus and the paths that exist beside it."""

    def __init__(self):
        paths = {path.relative_to(CORPUS).as_posix() for path in CORPUS.rglob("*") if path.is_file()}
        paths |= set((CORPUS / "other-paths.txt").read_text("utf-8").splitlines())
        self._paths = paths | {str(folder) for path in paths for folder in PurePosixPath(path).parents}

    def read_file(self, path):
        if path.endswith("/MLmodel"):  # the corpus has the names of all files, and the text of YAML files only
            return b"flavors: {python_function: {}}\n"
        return (CORPUS / path).read_bytes() if (CORPUS / path).is_file() else b""

    def exists(self, path):
        return path in self._paths

    def display_path(self, path):
        return path


def labelled(verdict):
    with (CORPUS / "labels.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row for row in rows if row["azure_ai_ml"] == verdict]


def errors(row, files):
    document, diagnostics = parse_yaml(row["path"], files.read_file(row["path"]))
    diagnostics = list(diagnostics)
    if isinstance(document.data, dict):
        context = RuleContext(row["path"], document, document.data, files)
        diagnostics += [diagnostic for rule in RULE_SETS[kinds()[row["kind"]].rule_set] for diagnostic in rule(context)]
    return [str(diagnostic) for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR]


def test_files_that_azure_ai_ml_accepts_have_no_errors():
    files = CorpusFiles()
    rows = labelled("accept")
    assert len(rows) > 200
    assert [error for row in rows for error in errors(row, files)] == []


def test_files_that_name_missing_files_are_rejected():
    files = CorpusFiles()
    missing = [
        row
        for row in labelled("reject")
        if row["kind"] in kinds() and any("path" in error or "not found" in error for error in errors(row, files))
    ]
    assert len(missing) >= 4

"""Conformance: mlgit accepts the files that azure-ai-ml accepts, and rejects those that it rejects.

The tests are skipped if the corpus is not beside the checkout; other tests cover the rules one by one.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conformance.corpus import CORPUS, Verdict, check_cases, copy_corpus, file_cases, mutation_cases

from reconciler.format.detect import detect_kind
from reconciler.format.kinds import kinds
from reconciler.format.schema_errors import schema_validator
from reconciler.format.schemas import is_valid_for_schema
from reconciler.format.yaml import parse_yaml

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside this checkout"),
]
FORMAT_DOCS = Path(__file__).parents[2] / "docs" / "format.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    copy_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def mutation_verdicts(folder) -> list[Verdict]:
    return check_cases(folder, list(mutation_cases(folder)))


@pytest.fixture(scope="module")
def file_verdicts(folder) -> list[Verdict]:
    return check_cases(folder, file_cases())


def stricter_codes() -> set[str]:
    """Return the codes that docs/format.md lists as stricter than azure-ai-ml."""
    return set(re.findall(r"^\| `([a-z-]+)` \|", FORMAT_DOCS.read_text("utf-8"), re.MULTILINE))


def test_every_file_that_azure_ai_ml_accepts_is_accepted(file_verdicts):
    assert [str(verdict) for verdict in file_verdicts if verdict.case.accepted and verdict.errors] == []


def test_every_file_that_azure_ai_ml_rejects_is_rejected(file_verdicts):
    assert [str(verdict) for verdict in file_verdicts if not verdict.case.accepted and not verdict.errors] == []


def test_a_file_that_needs_a_flag_of_az_ml_is_reported_with_the_missing_field(file_verdicts):
    incomplete = [verdict for verdict in file_verdicts if "accept with" in verdict.case.flags]
    assert incomplete
    for verdict in incomplete:
        flags = re.findall(r"--([a-z-]+)", verdict.case.flags)
        messages = " ".join(error.message for error in verdict.errors)
        assert all(flag.replace("-", "_") in messages for flag in flags), str(verdict)


def test_at_least_99_percent_of_the_rejected_mutations_are_rejected(mutation_verdicts):
    rejected = [verdict for verdict in mutation_verdicts if not verdict.case.accepted]
    wrong = [str(verdict) for verdict in rejected if not verdict.errors]
    assert len(wrong) <= len(rejected) / 100, "\n".join(wrong)


def test_at_least_99_percent_of_the_accepted_mutations_are_accepted_except_by_stricter_rules(mutation_verdicts):
    accepted = [verdict for verdict in mutation_verdicts if verdict.case.accepted]
    stricter = stricter_codes()
    wrong = [str(verdict) for verdict in accepted if {error.code for error in verdict.errors} - stricter]
    assert len(wrong) <= len(accepted) / 100, "\n".join(wrong)


def test_both_schema_validators_agree(folder, file_verdicts, mutation_verdicts):
    validators = {name: schema_validator(name) for name in kinds()}
    differing = []
    for verdict in (*file_verdicts, *mutation_verdicts):
        path = verdict.case.path
        document = parse_yaml(path, (folder / path).read_bytes())[0]
        kind, data = detect_kind(document), document.data
        if kind is not None and is_valid_for_schema(data, kind.name) != validators[kind.name].is_valid(data):
            differing.append(path)
    assert differing == []

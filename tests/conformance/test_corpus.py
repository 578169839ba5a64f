"""Held to files by others: what azure-ai-ml takes, mlgit takes; what it refuses, mlgit refuses.

Where the corpus is not there, its tests are left out; the rest of the suite covers the rules one by one.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conformance.corpus import CORPUS, Verdict, files, judge, lay_out, mutants

from reconciler.format.detect import detect_kind
from reconciler.format.kinds import kinds
from reconciler.format.schema_errors import schema_validator
from reconciler.format.schemas import is_valid_for_schema
from reconciler.format.yaml import parse_yaml

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside this checkout"),
]
STRICTER = Path(__file__).parents[2] / "docs" / "format.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("corpus")
    lay_out(found)
    return found


@pytest.fixture(scope="module")
def changed(folder) -> list[Verdict]:
    return judge(folder, list(mutants(folder)))


@pytest.fixture(scope="module")
def real(folder) -> list[Verdict]:
    return judge(folder, files())


def stricter() -> set[str]:
    """Return the codes that docs/format.md lists as stricter than azure-ai-ml."""
    return set(re.findall(r"^\| `([a-z-]+)` \|", STRICTER.read_text("utf-8"), re.MULTILINE))


def test_every_accepted_file_is_accepted(real):
    assert [str(each) for each in real if each.case.accepted and each.errors] == []


def test_every_rejected_file_is_rejected(real):
    assert [str(each) for each in real if not each.case.accepted and not each.errors] == []


def test_a_file_that_only_lacks_what_a_flag_gives_says_which_field_is_missing(real):
    wanting = [each for each in real if "accept with" in each.case.flags]
    assert wanting
    for each in wanting:
        flags = re.findall(r"--([a-z-]+)", each.case.flags)
        said = " ".join(found.message for found in each.errors)
        assert all(flag.replace("-", "_") in said for flag in flags), str(each)


def test_of_the_rejected_changes_99_in_100_are_rejected(changed):
    rejected = [each for each in changed if not each.case.accepted]
    wrong = [str(each) for each in rejected if not each.errors]
    assert len(wrong) <= len(rejected) / 100, "\n".join(wrong)


def test_of_the_accepted_changes_99_in_100_are_accepted_but_for_the_stricter_rules(changed):
    accepted = [each for each in changed if each.case.accepted]
    listed = stricter()
    wrong = [str(each) for each in accepted if {error.code for error in each.errors} - listed]
    assert len(wrong) <= len(accepted) / 100, "\n".join(wrong)


def test_the_two_validators_agree(folder, real, changed):
    validators = {name: schema_validator(name) for name in kinds()}
    differing = []
    for each in (*real, *changed):
        document, _ = parse_yaml(each.case.path, (folder / each.case.path).read_bytes())
        kind = detect_kind(document.data)
        if kind is not None and is_valid_for_schema(document.data, kind.name) != validators[kind.name].is_valid(
            document.data
        ):
            differing.append(each.case.path)
    assert differing == []

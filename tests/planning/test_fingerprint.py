from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from planning.project import SCHEMA, SUM, InMemoryProject, action_keys, action_on, declared_by, edited, small, tree_of

from reconciler.format.kind import Kind
from reconciler.format.kinds import kinds
from reconciler.format.yaml import parse_yaml
from reconciler.model import Address, ResolvedReference, TreeEntry
from reconciler.planning import content
from reconciler.planning.fingerprint import (
    FP_VERSION,
    asset_fingerprint,
    json_digest,
    metadata_digest,
    recompute_fingerprint,
    submission_token,
)

FROZEN = Path(__file__).parent.parent / "cases" / "fingerprints.json"
FILES = small()
YAMLS = sorted(path for path in FILES if path.endswith(".yml") and path != "mlgit.yml")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def make_project() -> InMemoryProject:
    project = InMemoryProject()
    project.converge(FILES)
    return project


PROJECT = make_project()


def test_the_fingerprints_equal_the_golden_ones():
    """A change here needs a new FP_VERSION, or every job of every user runs again after an upgrade."""
    frozen = json.loads(FROZEN.read_text("utf-8"))[str(FP_VERSION)]
    fingerprints = {
        str(address): {"fingerprint": record.fingerprint, "metadata": record.metadata}
        for address, record in PROJECT.records.items()
    }
    assert fingerprints == frozen


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_white_space_and_comments_do_not_change_a_fingerprint(data):
    path = data.draw(st.sampled_from(YAMLS))
    noise = st.sampled_from(["", "\n", "# why\n", "   # later\n", "\n\n"])
    tails = st.sampled_from(["", "   ", "  # so"])
    lines = FILES[path].splitlines()
    text = "".join(f"{data.draw(noise)}{line}{data.draw(tails)}\n" for line in lines)
    assert PROJECT.plan({**FILES, path: text}).actions == ()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_key_order_and_yaml_style_do_not_change_a_fingerprint(data):
    path = data.draw(st.sampled_from(YAMLS))

    def shuffled(value):
        if isinstance(value, dict):
            return {key: shuffled(value[key]) for key in data.draw(st.permutations(list(value)))}
        return value

    spec = shuffled(parse_yaml(path, FILES[path].encode())[0].data)
    text = json.dumps(spec, indent=data.draw(st.integers(1, 8)))
    assert PROJECT.plan({**FILES, path: text}).actions == ()


def fields_of(kind: Kind) -> list[str]:
    """Name the fields that a kind has traits for, and two that it has none for."""
    return sorted(kind.in_place_fields | kind.ignored_fields | {"path", "anything_else"})


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind in kinds().values() for field in fields_of(kind)])
@settings(max_examples=4, deadline=None)
@example(before=1, after=1)
@example(before=1, after=2)
@given(before=JSON, after=JSON)
def test_a_field_counts_in_one_digest_or_in_none(kind, field, before, after):
    one, two = {"other": 1, field: before}, {"other": 1, field: after}
    moved = (
        asset_fingerprint(kind, one, {}, {}) != asset_fingerprint(kind, two, {}, {}),
        metadata_digest(kind, one) != metadata_digest(kind, two),
    )
    differs = json_digest(before) != json_digest(after)
    assert moved == (differs and kind.is_fingerprint_field(field), differs and field in kind.in_place_fields)


def test_no_field_is_both_in_place_and_ignored():
    assert [kind.name for kind in kinds().values() if kind.in_place_fields & kind.ignored_fields] == []


@given(JSON, JSON)
def test_equal_values_have_equal_digests(one, other):
    copy = json.loads(json.dumps(one))
    assert json_digest(copy) == json_digest(one)
    assert (json_digest(one) == json_digest(other)) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


def test_a_fingerprint_depends_on_the_target_of_a_reference_and_not_on_its_form():
    kind = kinds()["job"]
    data = Address("data", "d")
    spelled = [{"inputs": {"x": {"path": text}}} for text in ("azureml:d@latest", "azureml:d:1")]
    resolved = [{"/inputs/x/path": ResolvedReference(data, version, "same")} for version in ("1", "2")]
    assert asset_fingerprint(kind, spelled[0], {}, resolved[0]) == asset_fingerprint(kind, spelled[1], {}, resolved[1])
    other = {"/inputs/x/path": ResolvedReference(data, "1", "other")}
    assert asset_fingerprint(kind, spelled[0], {}, other) != asset_fingerprint(kind, spelled[0], {}, resolved[0])


def test_a_fingerprint_covers_the_content_at_a_path_and_not_the_path():
    moved = edited("data/numbers.yml", "numbers.csv", "other.csv")
    moved["data/other.csv"] = moved.pop("data/numbers.csv")
    assert PROJECT.plan(moved).actions == ()
    moved["data/other.csv"] = "n\n4\n"
    assert action_keys(PROJECT.plan(moved))[0] == "new-version data/numbers"


def test_a_record_of_an_older_fingerprint_is_fingerprinted_again():
    record = PROJECT.records[Address("data", "numbers")]
    older = replace(record, fp_version=0, fingerprint="old", metadata="old")
    assert recompute_fingerprint(kinds()["data"], older) == record.fingerprint


@pytest.fixture
def older(monkeypatch):
    """Return a project that was applied by an mlgit with another FP_VERSION."""
    with monkeypatch.context() as patch:
        patch.setattr("reconciler.planning.fingerprint.FP_VERSION", FP_VERSION - 1)
        project = make_project()
    assert not {record.fingerprint for record in project.records.values()} & {
        record.fingerprint for record in PROJECT.records.values()
    }
    return project


def test_an_upgrade_with_other_fingerprints_plans_no_changes(older):
    plan = older.plan(FILES)
    assert (plan.actions, plan.blocked) == ((), ())


def test_after_an_upgrade_an_edit_has_the_consequences_that_it_always_had(older):
    described = edited("jobs/sum.yml", "factor: 2", "factor: 2\ndescription: new")
    assert action_keys(older.apply(described)) == ["update job/sum"]
    same_bytes = edited("data/numbers.yml", "type:", "version: 7\ntype:", described)
    assert action_keys(older.apply(same_bytes)) == ["new-version data/numbers"]
    assert older.plan(same_bytes).actions == ()
    assert action_keys(older.plan(edited("jobs/sum.yml", "factor: 2", "factor: 3")))[0] == "submit job/sum"


def test_a_reference_to_a_version_with_an_older_fingerprint_is_unchanged():
    project = make_project()
    data = Address("data", "numbers")
    for records in (project.records, project.versions):
        key = data if records is project.records else (data, "1")
        records[key] = replace(records[key], fp_version=0, fingerprint="old")
    project.records[SUM] = replace(project.records[SUM], fp_version=0)
    assert project.plan(FILES).actions == ()


@given(st.lists(st.tuples(st.text(), st.text(), st.text(), st.integers()), unique=True, min_size=2, max_size=2))
def test_a_token_is_for_one_attempt_on_one_thing_in_one_lineage(two):
    assert submission_token(*two[0]) != submission_token(*two[1])
    assert submission_token(*two[0]) == submission_token(*two[0])


def test_a_code_folder_is_its_files_modes_and_names():
    tree = tree_of({"src/a.py": "a", "src/b/c.py": "c", "srcs/d.py": "d", "e": "e"})
    resolved = content.tracked_content(tree, "src")
    assert [name for name, _ in resolved.files] == ["a.py", "b/c.py"]
    executable = replace(tree, entries={**tree.entries, "src/a.py": TreeEntry(0o100755, tree.entries["src/a.py"].oid)})
    renamed = tree_of({"src/z.py": "a", "src/b/c.py": "c"})
    changed = tree_of({"src/a.py": "b", "src/b/c.py": "c"})
    variants = (tree, executable, renamed, changed)
    assert len({content.tracked_content(variant, "src").digest for variant in variants}) == len(variants)
    assert content.changed_files(resolved, content.tracked_content(renamed, "src")) == ("a.py", "z.py")


@pytest.mark.parametrize("ignore", [".amlignore", ".gitignore"])
def test_ignored_files_of_a_code_folder_are_not_part_of_its_content(ignore):
    one = tree_of({"src/a.py": "a", f"src/{ignore}": "*.txt\n"})
    two = tree_of({"src/a.py": "a", f"src/{ignore}": "*.txt\n", "src/notes.txt": "note"})
    assert content.tracked_content(one, "src").digest == content.tracked_content(two, "src").digest


def test_amlignore_rules_where_there_is_also_a_gitignore():
    files = {"src/a.py": "a", "src/b.txt": "b", "src/.amlignore": "a.py\n", "src/.gitignore": "*.txt\n"}
    assert [name for name, _ in content.tracked_content(tree_of(files), "src").files] == [
        ".amlignore",
        ".gitignore",
        "b.txt",
    ]


def test_the_top_of_the_repository_can_be_the_code_of_a_job():
    files = edited("jobs/sum.yml", "code: ../src", "code: ..")
    assert declared_by(files).diagnostics == ()
    changed = {**files, "README.md": "new"}
    project = InMemoryProject()
    project.converge(files)
    assert "submit job/sum" in action_keys(project.plan(changed))
    assert SUM in project.records


BESIDE = "code: ../src\nadditional_includes: [../lib, ../one.py, ../packed.zip]\n"
COMPONENT = "name: train\ntype: command\ncommand: python a.py\nenvironment: azureml:plain@latest\n" + BESIDE
INCLUDED = {"src/a.py": "a", "lib/x.py": "x", "lib/y.txt": "y", "one.py": "1", "packed/p.py": "p", "lab/x.py": "x"}
WRITTEN = SCHEMA.format("commandComponent") + COMPONENT
PIPELINE = SCHEMA.format("pipelineJob") + (
    "name: p\ntype: pipeline\nsettings: {default_compute: azureml:local}\n"
    "jobs:\n  n:\n    type: command\n    component:\n"
    + "".join(f"      {line}\n" for line in COMPONENT.splitlines()[1:])
)


@pytest.mark.parametrize(
    ("path", "text", "address", "pointer"),
    [
        ("components/train.yml", WRITTEN, Address("component", "train"), ""),
        ("jobs/p.yml", PIPELINE, Address("job", "p"), "/jobs/n/component"),
    ],
)
@pytest.mark.parametrize(
    ("changed", "position", "files"),
    [
        ({"lib/x.py": "new"}, 0, ("x.py",)),
        ({"lib/.amlignore": "*.txt\n"}, 0, (".amlignore", "y.txt")),
        ({"one.py": "new"}, 1, ("one.py",)),
        ({"packed/p.py": "new"}, 2, ("p.py",)),
    ],
)
def test_additional_includes_count_by_their_content(path, text, address, pointer, changed, position, files):  # noqa: PLR0913, PLR0917
    project = InMemoryProject()
    project.converge({**small(), **INCLUDED, path: text})
    plan = project.plan({**small(), **INCLUDED, path: text, **changed})
    assert action_on(plan, address).changed_files == {f"{pointer}/additional_includes/{position}": files}


def test_additional_includes_count_by_their_name_and_not_by_their_folder():
    project = InMemoryProject()
    project.converge({**small(), **INCLUDED, "components/train.yml": WRITTEN})
    moved = WRITTEN.replace("../lib,", "../deep/lib,"), {"deep/lib/x.py": "x", "deep/lib/y.txt": "y"}
    assert project.plan({**small(), **INCLUDED, **moved[1], "components/train.yml": moved[0]}).actions == ()
    renamed = WRITTEN.replace("../lib,", "../bib,"), {"bib/x.py": "x", "bib/y.txt": "y"}
    plan = project.plan({**small(), **INCLUDED, **renamed[1], "components/train.yml": renamed[0]})
    assert action_keys(plan) == ["new-version component/train"]


def test_a_zip_that_exists_counts_by_its_own_content():
    project = InMemoryProject()
    project.converge({**small(), **INCLUDED, "components/train.yml": WRITTEN})
    files = {**small(), **INCLUDED, "components/train.yml": WRITTEN, "packed.zip": "z"}
    assert action_keys(project.plan(files)) == ["new-version component/train"]
    project.converge(files)
    assert project.plan({**files, "packed/p.py": "new"}).actions == ()

"""The design's section 4 on identity, sentence by sentence: what is an asset, and what is a change of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from design.held import missing
from planning.world import SCHEMA, World, action_on, done, edited, policy_of, small, tree_of
from workspaces import git

from reconciler.format.kinds import kinds
from reconciler.format.yaml import parse_yaml
from reconciler.model import Address, Op
from reconciler.planning.fingerprint import FP_VERSION
from reconciler.render.sentences import action_sentence
from reconciler.source.workspace import find_candidates

ELSEWHERE = {
    "`init` writes `on-change` ...": "tests/cli/test_init.py::test_a_new_workspace_is_committed_valid_and_planned",
    "... `init --here` writes `manual`": (
        "tests/cli/test_init_existing.py::test_jobs_of_an_existing_repository_run_only_on_request"
    ),
    "so that adopting 300 files starts nothing": (
        "tests/cli/test_init_existing.py::test_init_prints_an_inventory_and_changes_no_file"
    ),
    "Submissions are counted in plan's verdict": "tests/render/test_text.py::test_the_verdict_comes_first",
    "more than `limits.submit` ... refuses": (
        "tests/planning/test_prune_and_guard.py::test_a_plan_that_starts_too_many_runs_is_refused_with_what_allows_it"
    ),
    "default 10": "tests/planning/test_prune_and_guard.py::test_as_many_runs_as_the_limit_are_allowed",
    "without `--allow-submit N`": ("tests/cli/test_faults.py::test_an_apply_that_would_start_too_many_runs_is_refused"),
    "workspace: never by itself": (
        "tests/planning/test_prune_and_guard.py::test_a_workspace_is_never_removed_automatically"
    ),
    "workspace: replace, guarded (by `protect:`)": (
        "tests/planning/test_protection.py::test_a_protected_asset_is_not_replaced_but_can_be_updated"
    ),
    "compute, datastore: replace": (
        "tests/planning/test_plan.py::test_a_named_asset_is_created_updated_in_place_and_replaced"
    ),
    "compute, datastore: delete": ("tests/planning/test_prune_and_guard.py::test_an_asset_without_versions_is_deleted"),
    "environment, data, model, component: new version": (
        "tests/planning/test_plan.py::test_a_plan_after_one_edit_names_exactly_what_follows_from_it"
    ),
    "environment, data, model, component: archive": (
        "tests/planning/test_prune_and_guard.py::test_an_asset_of_this_branch_is_archived_with_its_file"
    ),
    "`job/<path ...>` where no name is given": (
        "tests/planning/test_runs.py::test_a_job_without_a_name_is_named_by_its_path"
    ),
    "job: cancel if running, archive": (
        "tests/planning/test_prune_and_guard.py::test_a_removed_job_is_canceled_and_archived"
    ),
    "`fingerprint` covers ... the fields that affect its result": (
        "tests/planning/test_fingerprint.py::test_a_field_counts_in_one_digest_or_in_none"
    ),
    "the content behind its paths": "tests/planning/test_fingerprint.py::test_a_path_counts_by_the_content_behind_it",
    "the *content* that its references resolve to": (
        "tests/planning/test_fingerprint.py"
        "::test_a_reference_counts_by_what_it_resolves_to_and_not_by_how_it_is_written"
    ),
    "so a version bump with the same bytes re-runs nothing": (
        "tests/planning/test_plan.py::test_a_higher_declared_version_of_the_same_content_runs_nothing"
    ),
    "Each kind lists both sets; a test prints them.": (
        "tests/format/test_kinds.py::test_each_kind_partitions_its_fields_into_fingerprint_in_place_and_ignored"
    ),
    "An upgrade of mlgit changes nothing.": (
        "tests/planning/test_fingerprint.py::test_an_upgrade_with_other_fingerprints_plans_no_changes"
    ),
    "equality is decided by fingerprinting the stored spec with today's code": (
        "tests/planning/test_fingerprint.py::test_a_record_of_an_older_fingerprint_is_fingerprinted_again"
    ),
    "Golden fingerprints are frozen per `fp_version`.": (
        "tests/planning/test_fingerprint.py::test_the_fingerprints_equal_the_golden_ones"
    ),
}
# What no test can hold yet: nothing reaches a datastore, nor makes anything of a curated environment.
NOT_YET = ("a datastore's data is never touched", "Curated environments are pinned in the state at first use.")

PART = "name: train\ntype: command\nversion: '1'\ncommand: python {}\nenvironment: azureml:plain@latest\n"
PIPELINE = SCHEMA.format("pipelineJob") + (
    "name: p\ntype: pipeline\nsettings: {{default_compute: azureml:local}}\n"
    "jobs:\n  one: {{type: command, component: {}}}\n"
)
COMPONENT = SCHEMA.format("commandComponent") + PART
RECORDED_ONLY = {
    "schedule": "name: s\ntrigger: {type: cron, expression: '0 6 * * *'}\ncreate_job: azureml:sum\n",
    "workspaceConnection": "name: con-nection\ntype: git\ntarget: https://example.org/x\ncredentials: {type: none}\n",
    "managedOnlineEndpoint": "name: end-point\nauth_mode: key\n",
    "azureBlob": "name: store\ntype: azure_blob\naccount_name: a\ncontainer_name: c\n",
}
DESCRIBED = {
    "workspace.yml": "display_name: d",
    "environments/plain.yml": "tags: {a: b}",
    "data/numbers.yml": "properties: {a: b}",
    "models/total.yml": "stage: production",
    "components/train.yml": "description: new",
    "jobs/sum.yml": "display_name: d",
}


@pytest.fixture
def world() -> World:
    made = World()
    made.settle(small())
    return made


def with_pipeline(part: str, python: str, form: str) -> dict[str, str]:
    """Return files with a pipeline of one component; whether a glob lists the component, its suffix tells."""
    return {**small(), "jobs/p.yml": PIPELINE.format(f"../{part}"), part: form.format(python)}


def test_what_is_held_elsewhere_is_there():
    assert missing(ELSEWHERE) == []


def test_globs_include_and_exclude_files_and_say_whether_their_jobs_run():
    """`assets:` in `mlgit.yml` has include and exclude globs, each with `run: on-change | manual` for jobs."""
    globs = 'assets: {include: [{glob: "**/*.yml"}, {glob: by-hand/, run: manual}], exclude: [drafts/]}\n'
    config = policy_of({"mlgit.yml": small()["mlgit.yml"] + globs}).config
    tree = tree_of(dict.fromkeys(("a.yml", "by-hand/b.yml", "drafts/c.yml", "d.yaml", "mlgit.yml"), ""))
    found = {path: glob.runs_on_change for path, glob in find_candidates(tree, config)}
    assert found == {"a.yml": True, "by-hand/b.yml": False}


def test_a_file_reached_by_a_path_is_part_of_its_user_and_identified_by_content():
    """A file reached by a path (`component: ./x.yml`, `file:env.yml`) is part of its user and identified by content."""
    world = World()
    world.settle(with_pipeline("parts/train.yaml", "a.py", PART))
    again = with_pipeline("parts/other.yaml", "a.py", PART)
    assert world.plan(again).actions == (), "another name of the same content is the same"
    found = action_on(world.plan(with_pipeline("parts/train.yaml", "b.py", PART)), Address("job", "p"))
    assert found.changed_files == {"/jobs/one/component": ("train.yaml",)}


def test_a_file_reached_by_a_path_is_registered_and_held_to_immutability_only_where_a_glob_lists_it():
    """It is registered, and held to immutability, only where a glob lists it."""
    train = Address("component", "train")
    for part, form, listed in (("parts/train.yaml", PART, False), ("parts/train.yml", COMPONENT, True)):
        world = World()
        world.settle(with_pipeline(part, "a.py", form))
        _, problems = world.look(with_pipeline(part, "b.py", form))
        assert (train in world.records) is listed
        assert [problem.code for problem in problems] == (["version-immutable"] if listed else [])


@pytest.mark.parametrize("file", DESCRIBED)
def test_what_only_describes_an_asset_is_updated_in_place(file):
    """`metadata` covers description, tags and the like: only that differs, update in place. (And the table.)"""
    files = {**small(), "components/train.yml": COMPONENT.format("a.py")}
    world = World()
    world.settle(files)
    plan = world.plan({**files, file: f"{files[file]}{DESCRIBED[file]}\n"})
    assert [action.op for action in plan.actions] == [Op.UPDATE]


def test_a_workspace_is_replaced_where_it_is_not_described_anew(world):
    """| workspace | name | description, tags, ... | replace, guarded |."""
    files = small()
    moved = {**files, "workspace.yml": f"{files['workspace.yml']}location: elsewhere\n"}
    assert done(world.plan(moved)) == ["replace workspace/small"]


@pytest.mark.parametrize("schema", RECORDED_ONLY)
def test_a_kind_that_nothing_realises_yet_is_planned_as_recorded_only(schema, world):
    """A kind that nothing realises yet is planned and listed as *recorded only*: never a pretence."""
    (action,) = world.apply({**small(), "x.yml": SCHEMA.format(schema) + RECORDED_ONLY[schema]}).actions
    assert (action.op, action.version) == (Op.CREATE, "")
    assert action_sentence(action).endswith("create, recorded only: no provider for this kind")
    assert done(world.plan(small())) == [f"delete {action.address}"]


def test_a_job_that_nothing_runs_yet_is_recorded_only(world):
    """A kind that nothing realises yet ... never a pretence: a job of such a type starts no run."""
    plan = world.plan(with_pipeline("parts/train.yaml", "a.py", PART))
    assert [action_sentence(action) for action in plan.actions] == [
        "job/p: create, recorded only: no provider for this kind"
    ]


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("jobs/sum.yml", "compute: local", "compute: azureml:local-two"),
        ("jobs/sum.yml", "compute: local", "compute: local\ndisplay_name: d"),
        ("jobs/sum.yml", "compute: local", "compute: local\nlimits: {timeout: 9}"),
        ("mlgit.yml", "store:", "retries: 7\nstore:"),
        ("mlgit.yml", "store:", "builder: conda\nstore:"),
    ],
)
def test_where_how_long_and_how_often_a_job_runs_is_not_what_it_is(file, before, after, world):
    """It excludes compute, backend binding, display fields, timeouts, retries."""
    clusters = "name: local-two\ntype: amlcompute\nsize: s\n"
    files = {**edited(file, before, after), "compute/two.yml": SCHEMA.format("amlCompute") + clusters}
    plan = world.plan(files)
    assert plan.submissions == ()
    assert {action.op for action in plan.actions} <= {Op.CREATE, Op.UPDATE}


def test_another_backend_behind_its_compute_runs_no_job_again(world):
    """It excludes compute, backend binding, ... ."""
    there = edited("mlgit.yml", "{local: {type: local}}", "{local: {type: local}, other: {type: local}}")
    assert world.plan(edited("mlgit.yml", '"*": local', '"*": other', there)).actions == ()


def test_records_keep_the_spec_as_declared_contents_references_and_fp_version(applied):
    """Records keep the spec as declared (before defaults), the content digests, the resolved references, fp_version."""
    found = records(applied)["sum"]
    declared = parse_yaml("sum.yml", (applied / "jobs/sum.yml").read_bytes())[0].data
    assert found["spec"] == declared
    assert found["contents"].keys() == {"/code"}
    assert found["references"].keys() == {"/environment", "/inputs/numbers/path"}
    assert all(each["fingerprint"] for each in found["references"].values())
    assert found["fp_version"] == FP_VERSION


def records(folder) -> dict[str, Any]:
    """Return the current records, as Git has them, by the name of their asset."""
    ref = "refs/mlgit/small/default/live"
    paths = git(folder, "ls-tree", "-r", "--name-only", ref, "current/").splitlines()
    return {path.rpartition("/")[2][:-5]: json.loads(git(folder, "show", f"{ref}:{path}")) for path in paths}


def test_what_leaves_git_leaves_as_the_table_says():
    """The last column of the table: never by itself; delete; archive."""
    deleted = ("compute", "datastore", "endpoint", "deployment", "schedule", "connection")
    archived = ("environment", "data", "model", "component", "job")
    table = {"workspace": "keep", **dict.fromkeys(deleted, "delete"), **dict.fromkeys(archived, "archive")}
    assert {name: str(kinds()[name].deletion_policy) for name in table} == table

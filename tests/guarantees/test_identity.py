"""Tests of docs/guarantees.md on assets and identity: what an asset is, and which change of it needs which action."""

from __future__ import annotations

import json
from typing import Any

import pytest
from planning.world import SCHEMA, World, action_on, done, edited, policy_of, small, tree_of
from workspaces import git

from reconciler.format.kinds import kinds
from reconciler.format.yaml import parse_yaml
from reconciler.model import Address, Op
from reconciler.planning.fingerprint import FP_VERSION
from reconciler.render.sentences import action_sentence
from reconciler.source.workspace import find_candidates

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


def test_globs_include_and_exclude_files_and_say_whether_their_jobs_run():
    """`assets:` in `mlgit.yml` includes and excludes files by globs, each with `run: on-change` or `run: manual` for
    its jobs.
    """
    globs = 'assets: {include: [{glob: "**/*.yml"}, {glob: by-hand/, run: manual}], exclude: [drafts/]}\n'
    config = policy_of({"mlgit.yml": small()["mlgit.yml"] + globs}).config
    tree = tree_of(dict.fromkeys(("a.yml", "by-hand/b.yml", "drafts/c.yml", "d.yaml", "mlgit.yml"), ""))
    found = {path: glob.runs_on_change for path, glob in find_candidates(tree, config)}
    assert found == {"a.yml": True, "by-hand/b.yml": False}


def test_a_file_reached_by_a_path_is_part_of_its_user_and_identified_by_content():
    """A file that is reached by a path is part of the asset that uses it, and is identified by its content."""
    world = World()
    world.settle(with_pipeline("parts/train.yaml", "a.py", PART))
    again = with_pipeline("parts/other.yaml", "a.py", PART)
    assert world.plan(again).actions == (), "another name of the same content is the same"
    found = action_on(world.plan(with_pipeline("parts/train.yaml", "b.py", PART)), Address("job", "p"))
    assert found.changed_files == {"/jobs/one/component": ("train.yaml",)}


def test_a_file_reached_by_a_path_is_registered_and_held_to_immutability_only_where_a_glob_lists_it():
    """A file that is reached by a path is registered, and its versions are immutable, only if a glob includes it."""
    train = Address("component", "train")
    for part, form, listed in (("parts/train.yaml", PART, False), ("parts/train.yml", COMPONENT, True)):
        world = World()
        world.settle(with_pipeline(part, "a.py", form))
        _, problems = world.look(with_pipeline(part, "b.py", form))
        assert (train in world.records) is listed
        assert [problem.code for problem in problems] == (["version-immutable"] if listed else [])


@pytest.mark.parametrize("file", DESCRIBED)
def test_what_only_describes_an_asset_is_updated_in_place(file):
    """A change of a description, of tags or of other metadata alone is an update in place."""
    files = {**small(), "components/train.yml": COMPONENT.format("a.py")}
    world = World()
    world.settle(files)
    plan = world.plan({**files, file: f"{files[file]}{DESCRIBED[file]}\n"})
    assert [action.op for action in plan.actions] == [Op.UPDATE]


def test_a_workspace_is_replaced_where_it_is_not_described_anew(world):
    """A change of the location of a workspace replaces the workspace."""
    files = small()
    moved = {**files, "workspace.yml": f"{files['workspace.yml']}location: elsewhere\n"}
    assert done(world.plan(moved)) == ["replace workspace/small"]


@pytest.mark.parametrize("schema", RECORDED_ONLY)
def test_a_kind_that_nothing_realises_yet_is_planned_as_recorded_only(schema, world):
    """An asset of a kind that no backend supports yet is planned and listed as "recorded only"."""
    (action,) = world.apply({**small(), "x.yml": SCHEMA.format(schema) + RECORDED_ONLY[schema]}).actions
    assert (action.op, action.version) == (Op.CREATE, "")
    assert action_sentence(action).endswith("create, recorded only: nothing here realises it yet")
    assert done(world.plan(small())) == [f"delete {action.address}"]


def test_a_job_that_nothing_runs_yet_is_recorded_only(world):
    """A job of a type that no backend supports yet is recorded only and starts no run."""
    plan = world.plan(with_pipeline("parts/train.yaml", "a.py", PART))
    assert [action_sentence(action) for action in plan.actions] == [
        "job/p: create, recorded only: nothing here realises it yet"
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
    """The compute, the display name, time limits, retries and the builder are not part of a job's fingerprint."""
    clusters = "name: local-two\ntype: amlcompute\nsize: s\n"
    files = {**edited(file, before, after), "compute/two.yml": SCHEMA.format("amlCompute") + clusters}
    plan = world.plan(files)
    assert plan.submissions == ()
    assert {action.op for action in plan.actions} <= {Op.CREATE, Op.UPDATE}


def test_another_backend_behind_its_compute_runs_no_job_again(world):
    """Binding a compute to another backend runs no job again."""
    there = edited("mlgit.yml", "{local: {type: local}}", "{local: {type: local}, other: {type: local}}")
    assert world.plan(edited("mlgit.yml", '"*": local', '"*": other', there)).actions == ()


def test_records_keep_the_spec_as_declared_contents_references_and_fp_version(applied):
    """A record keeps the spec as declared, the content digests, the resolved references and the fingerprint version."""
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
    """Each kind has one policy for a removed file: keep, delete or archive."""
    deleted = ("compute", "datastore", "endpoint", "deployment", "schedule", "connection")
    archived = ("environment", "data", "model", "component", "job")
    table = {"workspace": "keep", **dict.fromkeys(deleted, "delete"), **dict.fromkeys(archived, "archive")}
    assert {name: str(kinds()[name].deletion_policy) for name in table} == table

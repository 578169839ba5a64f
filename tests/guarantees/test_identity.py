"""Tests of docs/guarantees.md on assets and identity: what an asset is, and which change of it needs which action."""

from __future__ import annotations

import json
from typing import Any

import pytest
from planning.project import SCHEMA, InMemoryProject, action_keys, action_on, edited, plan_options_of, small, tree_of
from workspaces import git

from reconciler.format.kinds import kinds
from reconciler.format.yaml import parse_yaml
from reconciler.model import Address, Op
from reconciler.planning.fingerprint import FP_VERSION
from reconciler.render.sentences import action_sentence
from reconciler.source.assets import find_candidates

PART = "name: train\ntype: command\nversion: '1'\ncommand: python {}\nenvironment: azureml:plain@latest\n"
PIPELINE = SCHEMA.format("pipelineJob") + (
    "name: p\ntype: pipeline\nsettings: {{default_compute: azureml:local}}\n"
    "jobs:\n  one: {{type: command, component: {}}}\n"
)
COMPONENT = SCHEMA.format("commandComponent") + PART
SPARK = SCHEMA.format("sparkJob") + (
    "name: s\ntype: spark\ncode: ../src\nentry: {file: sum.py}\nconf: {spark.driver.cores: 1,"
    " spark.driver.memory: 2g, spark.executor.cores: 1, spark.executor.memory: 2g, spark.executor.instances: 1}\n"
    "resources: {instance_type: standard_e4s_v3, runtime_version: '3.4'}\n"
)
RECORDED_ONLY = {
    "schedule": "name: s\ntrigger: {type: cron, expression: '0 6 * * *'}\ncreate_job: azureml:sum\n",
    "workspaceConnection": "name: con-nection\ntype: git\ntarget: https://example.org/x\ncredentials: {type: none}\n",
    "managedOnlineEndpoint": "name: end-point\nauth_mode: key\n",
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
def project() -> InMemoryProject:
    project = InMemoryProject()
    project.converge(small())
    return project


def with_pipeline(path: str, python: str, form: str) -> dict[str, str]:
    """Return files with a pipeline of one component, which a glob includes if its suffix is ``.yml``."""
    return {**small(), "jobs/p.yml": PIPELINE.format(f"../{path}"), path: form.format(python)}


def test_globs_include_and_exclude_files_and_say_whether_their_jobs_run():
    """`assets:` in `mlgit.yml` includes and excludes files by globs, each with `run: on-change` or `run: manual` for
    its jobs.
    """
    globs = 'assets: {include: [{glob: "**/*.yml"}, {glob: by-hand/, run: manual}], exclude: [drafts/]}\n'
    config = plan_options_of({"mlgit.yml": small()["mlgit.yml"] + globs}).config
    tree = tree_of(dict.fromkeys(("a.yml", "by-hand/b.yml", "drafts/c.yml", "d.yaml", "mlgit.yml"), ""))
    candidates = {path: glob.runs_on_change for path, glob in find_candidates(tree, config)}
    assert candidates == {"a.yml": True, "by-hand/b.yml": False}


def test_a_file_reached_by_a_path_is_part_of_its_user_and_identified_by_content():
    """A file that is reached by a path is part of the asset that uses it, and is identified by its content."""
    project = InMemoryProject()
    project.converge(with_pipeline("parts/train.yaml", "a.py", PART))
    again = with_pipeline("parts/other.yaml", "a.py", PART)
    assert project.plan(again).actions == (), "another name of the same content is the same"
    action = action_on(project.plan(with_pipeline("parts/train.yaml", "b.py", PART)), Address("job", "p"))
    changed = 'jobs.one.component.command "python a.py" -> "python b.py"'
    assert action_sentence(action) == f"new run of job/p on local because {changed}"


def test_a_file_reached_by_a_path_is_registered_and_immutable_only_if_a_glob_includes_it():
    """A file that is reached by a path is registered, and its versions are immutable, only if a glob includes it."""
    train = Address("component", "train")
    for path, form, listed in (("parts/train.yaml", PART, False), ("parts/train.yml", COMPONENT, True)):
        project = InMemoryProject()
        project.converge(with_pipeline(path, "a.py", form))
        _, diagnostics = project.plan_with_diagnostics(with_pipeline(path, "b.py", form))
        assert (train in project.records) is listed
        assert [diagnostic.code for diagnostic in diagnostics] == (["version-immutable"] if listed else [])


@pytest.mark.parametrize("file", DESCRIBED)
def test_metadata_is_updated_in_place(file):
    """A change of a description, of tags or of other metadata alone is an update in place."""
    files = {**small(), "components/train.yml": COMPONENT.format("a.py")}
    project = InMemoryProject()
    project.converge(files)
    plan = project.plan({**files, file: f"{files[file]}{DESCRIBED[file]}\n"})
    assert [action.op for action in plan.actions] == [Op.UPDATE]


def test_a_workspace_with_another_location_is_replaced(project):
    """A change of the location of a workspace replaces the workspace."""
    files = small()
    moved = {**files, "workspace.yml": f"{files['workspace.yml']}location: elsewhere\n"}
    assert action_keys(project.plan(moved)) == ["replace workspace/small"]


@pytest.mark.parametrize("schema", RECORDED_ONLY)
def test_a_kind_without_a_backend_is_planned_as_recorded_only(schema, project):
    """An asset of a kind that no backend supports yet is planned and listed as "recorded only"."""
    (action,) = project.apply({**small(), "x.yml": SCHEMA.format(schema) + RECORDED_ONLY[schema]}).actions
    assert (action.op, action.version) == (Op.CREATE, "")
    assert action_sentence(action).endswith("create, recorded only: no provider for this kind")
    assert action_keys(project.plan(small())) == [f"delete {action.address}"]


def test_a_job_type_without_a_backend_is_recorded_only(project):
    """A job of a type that no backend supports yet is recorded only and starts no run."""
    plan = project.plan({**small(), "jobs/s.yml": SPARK})
    assert [action_sentence(action) for action in plan.actions] == [
        "job/s: create, recorded only: mlgit cannot run spark jobs"
    ]


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("jobs/sum.yml", "compute: local", "compute: azureml:local-two"),
        ("jobs/sum.yml", "compute: local", "compute: local\ndisplay_name: d"),
        ("jobs/sum.yml", "compute: local", "compute: local\nlimits: {timeout: 9}"),
        ("mlgit.yml", "store:", "retries: 7\nstore:"),
        ("mlgit.yml", "store:", "builders: {conda: {type: conda}}\nstore:"),
    ],
)
def test_compute_limits_and_retries_are_not_part_of_the_fingerprint(file, before, after, project):
    """The compute, the display name, time limits, retries and the builder are not part of a job's fingerprint."""
    clusters = "name: local-two\ntype: amlcompute\nsize: s\n"
    files = {**edited(file, before, after), "compute/two.yml": SCHEMA.format("amlCompute") + clusters}
    plan = project.plan(files)
    assert plan.submissions == ()
    assert {action.op for action in plan.actions} <= {Op.CREATE, Op.UPDATE}


def test_another_backend_behind_its_compute_runs_no_job_again(project):
    """Binding a compute to another backend runs no job again."""
    with_backend = edited("mlgit.yml", "{local: {type: local}}", "{local: {type: local}, other: {type: local}}")
    assert project.plan(edited("mlgit.yml", '"*": local', '"*": other', with_backend)).actions == ()


def test_records_keep_the_spec_as_declared_contents_references_and_fp_version(applied):
    """A record keeps the spec as declared, the content digests, the resolved references and the fingerprint version."""
    record = records(applied)["sum"]
    declared = parse_yaml("sum.yml", (applied / "jobs/sum.yml").read_bytes())[0].data
    assert record["spec"] == declared
    assert record["contents"].keys() == {"/code"}
    assert record["references"].keys() == {"/environment", "/inputs/numbers/path"}
    assert all(reference["fingerprint"] for reference in record["references"].values())
    assert record["fp_version"] == FP_VERSION


def records(folder) -> dict[str, Any]:
    """Return the current records, as Git has them, by the name of their asset."""
    ref = "refs/mlgit/small/default/live"
    paths = git(folder, "ls-tree", "-r", "--name-only", ref, "current/").splitlines()
    return {path.rpartition("/")[2][:-5]: json.loads(git(folder, "show", f"{ref}:{path}")) for path in paths}


def test_each_kind_has_one_deletion_policy():
    """Each kind has one policy for a removed file: keep, delete or archive."""
    deleted = ("compute", "datastore", "endpoint", "deployment", "schedule", "connection")
    archived = ("environment", "data", "model", "component", "job")
    table = {"workspace": "keep", **dict.fromkeys(deleted, "delete"), **dict.fromkeys(archived, "archive")}
    assert {name: str(kinds()[name].deletion_policy) for name in table} == table

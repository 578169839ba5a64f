"""mlgit ci drift: drift as files for an issue, and the changes of files that write it into Git."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from resources.conftest import cluster as cluster
from resources.conftest import compute
from resources.conftest import plugin as plugin
from resources.conftest import port as port
from resources.conftest import provider as provider
from workspaces import APPLY, commit, edit, git

from reconciler.format.schemas import is_valid_for_schema

pytestmark = pytest.mark.slow

WRITE_BACK = "drift: {compute: write-back}\n"


def policy(folder: Path, line: str = WRITE_BACK) -> None:
    commit(folder, "drift", {"mlgit.yml": (folder / "mlgit.yml").read_text() + line})


def report(folder: Path, name: str = "drift.json"):
    path = folder.parent / "report" / name
    if not path.exists():
        return None
    return json.loads(path.read_text()) if name.endswith(".json") else path.read_text()


@pytest.fixture
def drift(mlgit):
    """Run the command; its report is beside the workspace."""
    return lambda folder, *arguments: mlgit("ci", "drift", "--out", "../report", *arguments, cwd=folder)


def change_live(provider, **settings) -> None:
    for path in (provider.folder / "things").iterdir():
        thing = json.loads(path.read_text())
        path.write_text(json.dumps({**thing, "spec": {**thing["spec"], **settings}}))


def test_without_drift_the_issue_is_to_be_closed(applied, drift, golden):
    ended = drift(applied)
    assert (ended.code, report(applied)["issue"], report(applied)["complete"]) == (0, "close", True)
    assert is_valid_for_schema(report(applied), "drift")
    golden("cli/ci-drift/none.md", report(applied, "issue.md"))
    assert report(applied, "write-back.json") is None


def test_drift_opens_the_issue_with_what_differs_and_what_to_do(applied, drift, golden):
    for path in (applied / ".mlgit/store/files").rglob("*"):
        if path.is_file():
            path.unlink()
    ended = drift(applied)
    assert (ended.code, report(applied)["issue"]) == (2, "open")
    golden("cli/ci-drift/gone.md", report(applied, "issue.md"))


def test_what_cannot_be_asked_keeps_the_issue_and_is_an_error(cluster, provider, mlgit, drift, golden):
    assert mlgit(*APPLY, cwd=cluster).code == 0
    provider.set("unreachable")
    ended = drift(cluster)
    assert (ended.code, "[drift-unknown]" in ended.err) == (1, True)
    assert (report(cluster)["issue"], report(cluster)["complete"]) == ("keep", False)
    golden("cli/ci-drift/unknown.md", report(cluster, "issue.md"))


def test_a_clone_without_the_live_state_does_not_say_that_there_is_no_drift(applied, drift, tmp_path):
    git(tmp_path, "clone", "--quiet", str(applied), "clone")
    ended = drift(tmp_path / "clone")
    assert (ended.code, "this clone has no live state" in ended.err) == (1, True)
    assert report(tmp_path / "clone")["issue"] == "keep"


def test_other_settings_are_set_back_by_apply_unless_they_are_to_be_written_back(cluster, provider, mlgit, drift):
    assert mlgit(*APPLY, cwd=cluster).code == 0
    change_live(provider, max_instances=3)
    assert "max_instances is 3, not 1\n    apply sets it back" in mlgit("drift", cwd=cluster).out
    assert drift(cluster).code == 2
    assert report(cluster, "write-back.json") is None
    policy(cluster)
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert provider.things["cpu"][0]["max_instances"] == 3
    edit(cluster, "mlgit.yml", "write-back", "repair")
    commit(cluster)
    ended = mlgit(*APPLY, cwd=cluster)
    assert "its provider has other settings: max_instances is 3, not 1" in ended.out
    assert provider.things["cpu"][0]["max_instances"] == 1
    assert mlgit("drift", "--detailed-exitcode", cwd=cluster).code == 0


def test_a_setting_that_makes_another_resource_is_only_shown(cluster, provider, mlgit):
    assert mlgit(*APPLY, cwd=cluster).code == 0
    change_live(provider, size="large")
    assert "`mlgit apply --replace compute/cpu` makes it anew" in mlgit("drift", cwd=cluster).out
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert provider.things["cpu"][0]["size"] == "large"


def test_a_changed_setting_is_written_into_its_file_and_comments_stay(cluster, provider, mlgit, drift, golden):
    edit(cluster, "compute/cpu.yml", "max_instances: 1", "max_instances: 1  # one is enough")
    policy(cluster)
    assert mlgit(*APPLY, cwd=cluster).code == 0
    change_live(provider, max_instances=3, min_instances=1, description=None)
    ended = drift(cluster)
    assert (ended.code, report(cluster)["issue"]) == (2, "close")
    document = report(cluster, "write-back.json")
    assert is_valid_for_schema(document, "write-back")
    assert document["commit"] == git(cluster, "rev-parse", "HEAD")
    golden("cli/ci-drift/settings.md", document["body"])
    golden("cli/ci-drift/settings-issue.md", report(cluster, "issue.md"))
    (file,) = document["files"]
    assert file["path"] == "compute/cpu.yml"
    assert file["content"].endswith("max_instances: 3  # one is enough\nmin_instances: 1\n")
    commit(cluster, "merge", {file["path"]: file["content"]})
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert provider.things["cpu"][0]["max_instances"] == 3
    assert drift(cluster).code == 0
    assert report(cluster, "write-back.json") is None
    assert mlgit("plan", "--refresh", cwd=cluster).out.startswith("No changes. ")


def test_a_change_that_would_set_a_live_setting_back_waits_for_the_write_back(cluster, provider, mlgit):
    policy(cluster)
    assert mlgit(*APPLY, cwd=cluster).code == 0
    change_live(provider, max_instances=3)
    file = cluster / "compute/cpu.yml"
    commit(cluster, "tags", {"compute/cpu.yml": file.read_text() + "tags: {a: b}\n"})
    ended = mlgit(*APPLY, cwd=cluster)
    assert (ended.code, "max_instances is 3, not 1" in ended.out) == (0, True)
    assert provider.things["cpu"][0]["max_instances"] == 3
    edit(cluster, "compute/cpu.yml", "max_instances: 1", "max_instances: 3")
    commit(cluster)
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert provider.things["cpu"][0]["tags"] == {"a": "b"}


def test_a_setting_that_its_file_has_changed_too_is_not_written(cluster, provider, mlgit, drift):
    policy(cluster)
    assert mlgit(*APPLY, cwd=cluster).code == 0
    change_live(provider, max_instances=3)
    edit(cluster, "compute/cpu.yml", "max_instances: 1", "max_instances: 2")
    commit(cluster)
    ended = drift(cluster)
    assert "not written: compute/cpu: compute/cpu.yml gives other values now" in ended.out
    assert (report(cluster, "write-back.json"), report(cluster)["issue"]) == (None, "open")
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert provider.things["cpu"][0]["max_instances"] == 2
    assert drift(cluster).code == 0


def test_the_other_changes_of_a_file_stay_in_the_write_back(cluster, provider, mlgit, drift):
    policy(cluster)
    assert mlgit(*APPLY, cwd=cluster).code == 0
    change_live(provider, max_instances=3, min_instances=1)
    edit(cluster, "compute/cpu.yml", "max_instances: 1", "max_instances: 2\ntags: {a: b}")
    commit(cluster)
    assert drift(cluster).code == 2
    (file,) = report(cluster, "write-back.json")["files"]
    assert file["content"].endswith("max_instances: 2\ntags: {a: b}\nmin_instances: 1\n")


def test_a_lost_resource_whose_file_has_changed_is_made_again(cluster, provider, mlgit, drift):
    policy(cluster)
    assert mlgit(*APPLY, cwd=cluster).code == 0
    provider.forget_everything()
    edit(cluster, "compute/cpu.yml", "max_instances: 1", "max_instances: 2")
    commit(cluster)
    assert "the next apply makes it again" in drift(cluster).out
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert provider.things["cpu"][0]["max_instances"] == 2


def test_the_file_of_a_resource_that_its_provider_has_lost_is_removed(cluster, provider, mlgit, drift, golden):
    policy(cluster)
    assert mlgit(*APPLY, cwd=cluster).code == 0
    provider.forget_everything()
    assert drift(cluster).code == 2
    document = report(cluster, "write-back.json")
    golden("cli/ci-drift/lost.md", document["body"])
    assert document["files"] == [{"path": "compute/cpu.yml", "content": None}]
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert provider.things == {}
    assert mlgit("ci", "drift", "--write", cwd=cluster).code == 2
    assert not (cluster / "compute/cpu.yml").exists()
    commit(cluster)
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert drift(cluster).code == 0


def test_what_was_applied_from_another_branch_is_declared(cluster, mlgit, drift, golden):
    policy(cluster)
    git(cluster, "switch", "--quiet", "-c", "branch")
    schema = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n"
    data = {"data/d.yml": f"{schema}name: d\ntype: uri_file\npath: d.csv\n", "data/d.csv": "a\n1\n"}
    commit(cluster, "gpu", {**compute("gpu"), **data})
    assert mlgit(*APPLY, cwd=cluster).code == 0
    git(cluster, "switch", "--quiet", "main")
    edit(cluster, "mlgit.yml", "{compute: write-back}", '{"*": write-back}')
    commit(cluster)
    assert drift(cluster).code == 2
    document = report(cluster, "write-back.json")
    golden("cli/ci-drift/undeclared.md", document["body"])
    assert sorted(file["path"] for file in document["files"]) == ["compute/gpu.yml", "data/d.csv", "data/d.yml"]
    commit(cluster, "merge", {file["path"]: file["content"] for file in document["files"]})
    assert mlgit("plan", cwd=cluster).out.startswith("No changes. ")
    assert drift(cluster).code == 0


def test_what_was_removed_from_this_branch_is_no_drift(cluster, mlgit, drift):
    policy(cluster)
    assert mlgit(*APPLY, cwd=cluster).code == 0
    (cluster / "compute/cpu.yml").unlink()
    commit(cluster)
    assert drift(cluster).code == 0


def test_a_shallow_clone_cannot_tell_what_was_removed(cluster, mlgit, drift, tmp_path):
    policy(cluster)
    assert mlgit(*APPLY, cwd=cluster).code == 0
    (cluster / "compute/cpu.yml").unlink()
    commit(cluster)
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{cluster}", "clone")
    git(tmp_path / "clone", "fetch", "--quiet", "origin", "refs/mlgit/*:refs/mlgit/*")
    assert "a shallow clone cannot tell whether its file was removed" in drift(tmp_path / "clone").out
    assert report(tmp_path / "clone", "write-back.json") is None
    assert not report(tmp_path / "clone")["complete"]


def test_a_file_that_is_a_link_is_not_written(cluster, provider, mlgit, drift):
    policy(cluster)
    (cluster / "compute/cpu.yml").rename(cluster / "compute/real.txt")
    (cluster / "compute/cpu.yml").symlink_to("real.txt")
    commit(cluster)
    assert mlgit(*APPLY, cwd=cluster).code == 0
    change_live(provider, max_instances=3)
    assert "is a symbolic link" in drift(cluster).out
    assert report(cluster, "write-back.json") is None


def test_other_drift_of_assets_to_write_back_is_repaired(applied, mlgit):
    policy(applied, 'drift: {"*": write-back}\n')
    for path in (applied / ".mlgit/store/files").rglob("*"):
        if path.is_file() and path.read_bytes() == b"n\n1\n2\n3\n":
            path.unlink()
    shown = "data/numbers@1: its content is gone from the store\n    apply restores it from Git"
    assert shown in mlgit("drift", cwd=applied).out
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert mlgit("drift", "--detailed-exitcode", cwd=applied).code == 0


def test_what_may_be_a_secret_is_neither_shown_nor_written(cluster, provider, mlgit, drift):
    policy(cluster)
    assert mlgit(*APPLY, cwd=cluster).code == 0
    change_live(provider, description="https://ada:hunter22@example.org/")
    ended = drift(cluster)
    assert "its provider reports what may be a secret" in ended.out
    assert report(cluster, "write-back.json") is None
    assert "hunter22" not in ended.out + json.dumps(report(cluster)) + report(cluster, "issue.md")


def test_an_ignored_file_is_not_overwritten(cluster, mlgit):
    policy(cluster, 'drift: {"*": write-back}\n')
    git(cluster, "switch", "--quiet", "-c", "branch")
    commit(cluster, "gpu", compute("gpu"))
    assert mlgit(*APPLY, cwd=cluster).code == 0
    git(cluster, "switch", "--quiet", "main")
    commit(cluster, "ignore", {".gitignore": "/.mlgit/\n/compute/gpu.yml\n"})
    (cluster / "compute/gpu.yml").write_text("mine")
    ended = mlgit("ci", "drift", "--write", cwd=cluster)
    assert (ended.code, "[path-not-writable]" in ended.err) == (1, True)
    assert (cluster / "compute/gpu.yml").read_text() == "mine"


def test_a_saved_plan_sets_a_setting_back(cluster, provider, mlgit):
    assert mlgit(*APPLY, cwd=cluster).code == 0
    change_live(provider, max_instances=3)
    assert mlgit("plan", "--refresh", "-o", "../plan.json", cwd=cluster).code == 0
    ended = mlgit("apply", "../plan.json", cwd=cluster)
    assert ended.code == 0, ended.out + ended.err
    assert provider.things["cpu"][0]["max_instances"] == 1

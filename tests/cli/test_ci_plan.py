"""`mlgit ci plan`: the report on a change, by the mlgit.yml of its base."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workspaces import commit, edit, git

from reconciler.planning.saved import parse_plan_file
from reconciler.project.session import open_session
from reconciler.render.report_json import parse_report

EVENT_VARIABLES = ("GITHUB_EVENT_NAME", "GITHUB_EVENT_PATH", "GITHUB_SHA")


@pytest.fixture(autouse=True)
def _outside_of_ci(monkeypatch):
    for name in (*EVENT_VARIABLES, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "CI_MERGE_REQUEST_TARGET_BRANCH_SHA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def change(applied: Path) -> Path:
    """Return the applied workspace on a branch beside `base`, where its changes go."""
    git(applied, "branch", "base")
    git(applied, "switch", "--quiet", "-c", "change")
    return applied


def commit_on_base(folder: Path, path: str, old: str, new: str) -> None:
    """Commit an edit on the base branch, and return to the change."""
    git(folder, "switch", "--quiet", "base")
    edit(folder, path, old, new)
    commit(folder)
    git(folder, "switch", "--quiet", "change")


def read_report(folder: Path):
    path = folder / "report/report.json"
    return parse_report(str(path), path.read_bytes())


def plan_change(mlgit, folder: Path, *options: str, base: str = "base"):
    """Plan the change against the base; return how the command ended and the report."""
    ended = mlgit("ci", "plan", "--base", base, "--out", "report", *options, cwd=folder)
    return ended, read_report(folder)


def keys(actions) -> list[str]:
    return [action["key"] for action in actions]


def codes(report) -> list[str]:
    return [diagnostic.code for diagnostic in report.diagnostics]


def test_a_report_tells_what_the_change_brings_from_what_is_pending_on_the_base(change, mlgit, golden):
    commit_on_base(change, "data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: all")
    edit(change, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(change)
    ended, report = plan_change(mlgit, change)
    assert ended.code == 0
    assert keys(report.pending_actions) == ["update data/numbers"]
    assert len(report.own_actions) == 2
    assert (report.base, report.commit) == (git(change, "rev-parse", "base"), git(change, "rev-parse", "HEAD"))
    golden("cli/ci_plan.txt", ended.out.replace(report.base[:10], "<base>"))
    saved = parse_plan_file("plan.json", (change / "report/plan.json").read_bytes())
    assert saved == report.plan
    assert json.loads((change / "report/results.sarif").read_text())["version"] == "2.1.0"
    comment, summary = ((change / f"report/{name}.md").read_text("utf-8") for name in ("comment", "summary"))
    assert comment.startswith("<!-- mlgit default -->\n### Plan: 2 changes, starts 1 run.\n\n1 more change is pending")
    assert summary.startswith("### Plan: 2 changes")
    assert git(change, "status", "--porcelain") == ""


def test_an_update_of_what_is_pending_otherwise_is_brought_by_the_change(change, mlgit):
    commit_on_base(change, "data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: all")
    edit(change, "data/numbers.yml", "name: numbers", "tags: {a: b}\nname: numbers")
    commit(change)
    _, report = plan_change(mlgit, change)
    assert keys(report.own_actions) == ["update data/numbers"]
    assert report.pending == frozenset()


def test_a_change_that_needs_nothing_says_so_beside_what_is_pending(change, mlgit):
    commit_on_base(change, "data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: all")
    ended, _ = plan_change(mlgit, change)
    assert ended.out.startswith("This change needs no action.\n\nAlready pending on ")


def test_the_merged_tree_is_planned_as_it_will_be_after_the_merge(change, mlgit):
    commit_on_base(change, "data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: all")
    edit(change, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(change)
    _, report = plan_change(mlgit, change)
    git(change, "merge", "--quiet", "base")
    _, merged = plan_change(mlgit, change)
    assert merged.plan.digest == report.plan.digest
    assert merged.pending == report.pending


def test_a_change_that_conflicts_with_its_base_is_not_planned(change, mlgit):
    commit_on_base(change, "jobs/sum.yml", "factor: 2", "factor: 4")
    edit(change, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(change)
    ended = mlgit("ci", "plan", "--base", "base", "--out", "report", cwd=change)
    assert ended.code == 1
    assert "both change jobs/sum.yml [merge-conflict]" in ended.err


def test_attributes_of_a_change_start_no_merge_driver_and_no_filter(change, mlgit):
    commit_on_base(change, "data/numbers.csv", "1", "9")
    edit(change, "data/numbers.csv", "3", "4")
    commit(change, files={".gitattributes": "* merge=own filter=own -text\n"})
    for setting in ("merge.own.driver", "filter.own.clean", "filter.own.smudge"):
        git(change, "config", setting, "touch started")
    ended, _ = plan_change(mlgit, change)
    assert "data/numbers" in ended.out
    assert not (change / "started").exists()


def test_errors_in_files_are_reported_in_all_files_without_a_plan(change, mlgit):
    edit(change, "jobs/sum.yml", "command:", "comand:")
    commit(change)
    ended, report = plan_change(mlgit, change)
    assert ended.code == 1
    assert report.plan is None
    assert "jobs/sum.yml:" in ended.err
    assert ended.out == "Nothing was planned: 1 error.\n"
    assert not (change / "report/plan.json").exists()
    results = json.loads((change / "report/results.sarif").read_text())["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == codes(report)


def test_a_plan_of_an_earlier_report_does_not_stay_beside_a_report_without_one(change, mlgit):
    plan_change(mlgit, change)
    edit(change, "jobs/sum.yml", "command:", "comand:")
    commit(change)
    plan_change(mlgit, change)
    assert not (change / "report/plan.json").exists()


def test_a_plan_beyond_a_limit_is_shown_with_the_error(change, mlgit):
    edit(change, "mlgit.yml", "backends:", "limits: {submit: 0}\nbackends:")
    base = commit(change)
    edit(change, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(change)
    ended, report = plan_change(mlgit, change, base=base)
    assert ended.code == 1
    assert codes(report) == ["too-many-runs"]
    assert "new run of job/sum" in ended.out


def test_errors_at_the_base_leave_unknown_what_is_pending_there(change, mlgit):
    commit_on_base(change, "models/total.yml", "type: custom_model", "type: custom")
    git(change, "merge", "--quiet", "base")
    edit(change, "models/total.yml", "type: custom", "type: custom_model")
    edit(change, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(change)
    ended, report = plan_change(mlgit, change)
    assert ended.code == 0
    assert report.plan is not None
    assert "what is pending there is not known" in " ".join(report.notes)


def test_annotations_name_the_file_from_the_top_of_the_repository(change, mlgit):
    edit(change, "jobs/sum.yml", "command:", "comand:")
    commit(change)
    ended, _ = plan_change(mlgit, change, "--format", "github")
    assert ended.out.startswith("::error file=jobs/sum.yml,line=3,")


# The mlgit.yml of the base rules.

HOSTILE = """
state: {name: other, lineage: "22222222222222222222222222222222", remote: elsewhere}
store: {path: /tmp/other}
builders: {own: {type: stolen.module}}
backends: {away: {type: ../stolen}}
compute: {"*": away}
limits: {submit: 1000}
protect: []
providers: {compute: {type: stolen}}
assets: {include: [{glob: "nothing/*.yml"}]}
targets: {default: {store: {path: /tmp/another}}}
"""


def test_the_settings_of_a_change_are_checked_and_named_but_never_used(change, mlgit):
    git(change, "config", "protocol.ext.allow", "always")
    git(change, "remote", "add", "elsewhere", f"ext::touch {change}/stolen")
    edit(change, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(change)
    _, before = plan_change(mlgit, change)
    (change / "mlgit.yml").write_text(HOSTILE)
    commit(change)
    ended, report = plan_change(mlgit, change)
    assert ended.code == 1
    assert codes(report) == ["builder-unknown", "backend-unknown", "provider-unknown"]
    assert report.plan.digest == before.plan.digest
    note, warning = report.notes
    assert "who merges this decides where credentials come from" in warning
    assert "`state`, `store`, `backends`" in note
    assert "counts once it is merged" in note
    assert not (change / "stolen").exists()


def test_settings_of_a_change_that_are_valid_are_not_used_either(change, mlgit):
    edit(change, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(change)
    _, before = plan_change(mlgit, change)
    lines = (line for line in HOSTILE.splitlines() if not line.startswith(("builders", "backends", "compute", "prov")))
    (change / "mlgit.yml").write_text("\n".join(lines))
    commit(change)
    ended, report = plan_change(mlgit, change)
    assert ended.code == 0
    assert report.diagnostics == ()
    assert report.plan.body == {**before.plan.body, "tree": report.plan.body["tree"]}


def test_a_valid_mlgit_yml_of_a_change_is_a_note(change, mlgit):
    edit(change, "mlgit.yml", "backends:", "limits: {submit: 0}\nbackends:")
    edit(change, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(change)
    ended, report = plan_change(mlgit, change)
    assert ended.code == 0
    base = report.base[:10]
    assert report.notes == (
        f"this change edits `limits` of mlgit.yml: that counts once it is merged; this plan follows {base}, the base",
    )


def test_a_change_of_where_credentials_go_is_named_to_who_reviews_it(change, mlgit):
    added = "secrets: {key: {from: env:OTHER, for: [datastore/evil], fields: [/secret_access_key]}}\n"
    added += "datastores: {evil: {type: s3, bucket: b, endpoint: 'https://evil.example'}}\n"
    added += "targets: {prod: {store: {path: elsewhere}, limits: {submit: 0}}}\n"
    with (change / "mlgit.yml").open("a", encoding="utf-8") as file:
        file.write(added)
    commit(change)
    _, report = plan_change(mlgit, change)
    assert report.notes[1] == (
        "who merges this decides where credentials come from and which hosts get them: "
        "read `datastores.evil`, `secrets.key`, `targets.prod.store` of mlgit.yml"
    )


def test_another_place_of_a_secret_is_named_to_who_reviews_it_and_is_no_change_of_a_plan(change, mlgit):
    git(change, "switch", "--quiet", "base")
    bound = "secrets: {key: {from: env:FIRST, for: [datastore/d], fields: [/secret_access_key]}}\n"
    bound += "targets: {prod: {secrets: {key: {from: file:.secrets/a}}}}\n"
    bound += "datastores: {d: {type: s3, bucket: b}}\n"
    with (change / "mlgit.yml").open("a", encoding="utf-8") as file:
        file.write(bound)
    commit(change)
    git(change, "switch", "--quiet", "-c", "moved")
    edit(change, "mlgit.yml", "env:FIRST", "env:SECOND")
    edit(change, "mlgit.yml", "file:.secrets/a", "keyring:lake/ci")
    commit(change)
    _, report = plan_change(mlgit, change)
    assert report.notes[1] == (
        "who merges this decides where credentials come from and which hosts get them: "
        "read `secrets.key: env:FIRST -> env:SECOND`, `targets.prod.secrets.key: file:.secrets/a -> keyring:lake/ci` "
        "of mlgit.yml"
    )
    assert report.own_actions == ()
    assert "env:FIRST -> env:SECOND" in (change / "report/comment.md").read_text("utf-8")


def test_a_rename_and_its_entry_in_mlgit_yml_are_one_change(change, mlgit):
    edit(change, "mlgit.yml", "backends:", "moved: [{from: data/numbers, to: data/figures}]\nbackends:")
    commit(change)
    ended, report = plan_change(mlgit, change)
    assert ended.code == 1
    (diagnostic,) = report.diagnostics
    assert (diagnostic.code, diagnostic.span.line) == ("moved-wrong", 3), "merging it would stop all plans of the base"
    edit(change, "data/numbers.yml", "name: numbers", "name: figures")
    edit(change, "jobs/sum.yml", "azureml:numbers", "azureml:figures")
    commit(change)
    ended, report = plan_change(mlgit, change)
    assert (ended.code, report.notes) == (0, ())
    assert keys(report.own_actions) == ["move data/figures"]
    ended = mlgit("ci", "check", "report", cwd=change)
    assert ended.out == "As reviewed: 1 decision.\n"


def test_what_the_mlgit_yml_of_the_base_protects_stays_protected(change, mlgit):
    edit(change, "mlgit.yml", "backends:", "protect: [model/total]\nbackends:")
    base = commit(change)
    (change / "mlgit.yml").write_text((change / "mlgit.yml").read_text().replace("protect: [model/total]\n", ""))
    (change / "models/total.yml").unlink()
    commit(change)
    ended, report = plan_change(mlgit, change, base=base)
    assert ended.code == 1
    (diagnostic,) = report.diagnostics
    assert diagnostic.code == "protected"
    assert diagnostic.span is None  # the line is of another file than that of the change
    assert diagnostic.message.endswith(f"(line 3 of mlgit.yml at the base, {base[:10]})")
    assert "archive model/total" in keys(report.plan.body["actions"])


def test_an_mlgit_yml_of_the_base_that_cannot_be_used_is_mended_by_a_change(change, mlgit):
    good = (change / "mlgit.yml").read_text()
    edit(change, "mlgit.yml", "compute:", "computes:")
    base = commit(change)
    assert mlgit("ci", "plan", "--base", base, "--out", "report", cwd=change).code == 1
    (change / "mlgit.yml").write_text(good)
    commit(change)
    ended, report = plan_change(mlgit, change, base=base)
    assert (ended.code, report.plan) == (0, None)
    assert f"mlgit.yml of the base, {base[:10]}, cannot be used, so nothing is planned" in " ".join(report.notes)


def test_without_mlgit_yml_at_the_base_nothing_is_planned_and_the_report_says_what_to_do(empty, mlgit, small):
    commit(empty, files={"README.md": "nothing\n"})
    git(empty, "branch", "base")
    (empty / "mlgit.yml").write_bytes((small / "mlgit.yml").read_bytes())
    commit(empty)
    ended, report = plan_change(mlgit, empty)
    assert ended.code == 0
    assert report.plan is None
    assert "merge the new one first" in report.notes[0]


def test_a_change_that_removes_mlgit_yml_is_an_error_and_planned_by_the_base(change, mlgit):
    (change / "mlgit.yml").unlink()
    commit(change)
    ended, report = plan_change(mlgit, change)
    assert ended.code == 1
    assert codes(report) == ["config-removed"]
    assert report.plan.body["actions"] == []


def test_a_link_in_place_of_mlgit_yml_is_not_followed(change, mlgit):
    (change / "mlgit.yml").unlink()
    (change / "mlgit.yml").symlink_to("/etc/passwd")
    commit(change)
    ended, report = plan_change(mlgit, change)
    assert ended.code == 1
    assert codes(report) == ["link-outside"]
    assert "root:" not in ended.out + ended.err


def test_a_submodule_in_place_of_the_policies_is_an_error_in_the_report(change, mlgit):
    git(change, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},policies")
    git(change, "commit", "--quiet", "-m", "submodule")
    ended, report = plan_change(mlgit, change)
    assert ended.code == 1
    assert codes(report) == ["policy-invalid"]


def test_a_change_cannot_move_the_workspace(change, mlgit):
    commit(change, files={"jobs/mlgit.yml": HOSTILE})
    ended = mlgit("ci", "plan", "--base", "base", "--out", "../report", cwd=change / "jobs")
    assert ended.code == 1
    assert codes(read_report(change)) == ["reference-dangling"]  # no file below jobs/ is of the workspace any more


def test_files_in_the_folder_of_the_store_are_an_error_whatever_mlgit_yml_of_the_change_says(change, mlgit):
    (change / "mlgit.yml").write_text((change / "mlgit.yml").read_text().replace(".mlgit/store", ".elsewhere"))
    commit(change)
    git(change, "add", "--force", ".mlgit/store")
    git(change, "commit", "--quiet", "-m", "store")
    ended, report = plan_change(mlgit, change)
    assert ended.code == 1
    assert report.plan is None
    assert "store-tracked" in codes(report)


def test_an_asset_behind_a_link_out_of_the_repository_is_an_error_and_not_read(change, mlgit, tmp_path):
    (tmp_path / "secret.csv").write_text("a secret\n")
    (change / "data/numbers.csv").unlink()
    (change / "data/numbers.csv").symlink_to(tmp_path / "secret.csv")
    commit(change)
    ended, report = plan_change(mlgit, change)
    assert ended.code == 1
    assert codes(report) == ["link-outside"]
    assert "a secret" not in "".join(path.read_text() for path in (change / "report").iterdir())


def test_a_change_of_mlgit_yml_is_planned_without_reading_all_files(change, mlgit, monkeypatch):
    plan_change(mlgit, change)
    edit(change, "mlgit.yml", "backends:", "limits: {submit: 0}\nbackends:")
    edit(change, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(change)
    monkeypatch.delattr("reconciler.project.incremental._plan_all")
    ended, _ = plan_change(mlgit, change)
    assert "new run of job/sum" in ended.out


# Where the files go.


@pytest.mark.parametrize("target", ["outside", "jobs", ".git"])
def test_a_link_of_the_repository_is_not_followed_to_write_the_report(change, mlgit, tmp_path, target):
    (tmp_path / "outside").mkdir()
    (change / "report").symlink_to(tmp_path / "outside" if target == "outside" else change / target)
    commit(change)
    ended = mlgit("ci", "plan", "--base", "base", "--out", "report/new", cwd=change)
    assert ended.code == 1
    assert "is a symbolic link [report-not-written]" in ended.err
    assert list((tmp_path / "outside").iterdir()) == []
    assert not (change / "jobs/new").exists()


def test_a_link_in_the_folder_of_the_report_is_not_followed(change, mlgit):
    (change / "report").mkdir()
    (change / "report/plan.json").symlink_to(change / "mlgit.yml")
    ended = mlgit("ci", "plan", "--base", "base", "--out", "report", cwd=change)
    assert ended.code == 1
    assert "[report-not-written]" in ended.err
    assert (change / "mlgit.yml").read_text().startswith("state:")


# Which commit is the base.


def event(folder: Path, monkeypatch, name: str, sha: str, payload: object) -> None:
    path = folder.parent / "event.json"
    path.write_text(json.dumps(payload))
    for variable, value in zip(EVENT_VARIABLES, (name, str(path), sha), strict=True):
        monkeypatch.setenv(variable, value)


def reported_base(mlgit, folder: Path) -> str:
    assert mlgit("ci", "plan", "--out", "report", cwd=folder).code == 0
    return read_report(folder).base


@pytest.fixture
def merged(change: Path) -> Path:
    """Return the workspace at the merge of the change into the base, as GitHub checks it out."""
    edit(change, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(change)
    commit_on_base(change, "data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: all")
    git(change, "switch", "--quiet", "--detach", "base")
    git(change, "merge", "--quiet", "--no-ff", "-m", "merge", "change")
    return change


def test_the_base_of_a_pull_request_of_github_is_the_first_parent_of_its_merge(merged, mlgit, monkeypatch):
    event(merged, monkeypatch, "pull_request", git(merged, "rev-parse", "HEAD"), {})
    assert reported_base(mlgit, merged) == git(merged, "rev-parse", "base")


def test_the_base_is_not_the_first_parent_of_a_merge_that_a_stranger_made(change, mlgit, monkeypatch):
    base = git(change, "rev-parse", "base")
    (change / "mlgit.yml").write_text(HOSTILE)
    commit(change)
    git(change, "branch", "other", "base")
    git(change, "merge", "--quiet", "--no-ff", "-m", "merge", "-s", "ours", commit_beside(change))
    event(change, monkeypatch, "pull_request_target", base, {"pull_request": {"base": {"sha": base}}})
    assert mlgit("ci", "plan", "--out", "report", cwd=change).code == 1  # what is wrong with the new mlgit.yml
    assert read_report(change).base == base
    event(change, monkeypatch, "issue_comment", base, {})
    ended = mlgit("ci", "plan", "--out", "report", cwd=change)
    assert "it is not known which commit this change is compared with [base-unknown]" in ended.err


def commit_beside(folder: Path) -> str:
    git(folder, "switch", "--quiet", "other")
    other = commit(folder, files={"README.md": "other\n"})
    git(folder, "switch", "--quiet", "change")
    return other


def test_the_base_of_a_merge_group_is_in_its_event(merged, mlgit, monkeypatch):
    base = git(merged, "rev-parse", "base")
    event(merged, monkeypatch, "merge_group", git(merged, "rev-parse", "HEAD"), {"merge_group": {"base_sha": base}})
    assert reported_base(mlgit, merged) == base


def test_the_base_of_a_merge_request_of_gitlab_is_the_tip_of_its_target_branch(merged, mlgit, monkeypatch):
    base = git(merged, "rev-parse", "base")
    monkeypatch.setenv("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")
    ended = mlgit("ci", "plan", "--out", "report", cwd=merged)
    assert "git fetch origin main" in ended.err
    git(merged, "update-ref", "refs/remotes/origin/main", base)
    git(merged, "switch", "--quiet", "change")
    assert reported_base(mlgit, merged) == base


def test_the_base_outside_of_ci_is_the_first_parent_of_a_merge(merged, mlgit):
    assert reported_base(mlgit, merged) == git(merged, "rev-parse", "base")
    git(merged, "switch", "--quiet", "change")
    ended = mlgit("ci", "plan", "--out", "report", cwd=merged)
    assert ended.code == 1
    assert "help: name it: --base REV, such as origin/main" in ended.err


def test_a_shallow_clone_says_what_to_fetch(merged, mlgit, tmp_path):
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{merged}", "shallow")
    ended = mlgit("ci", "plan", "--out", "report", cwd=tmp_path / "shallow")
    assert ended.code == 1
    assert "git fetch --unshallow" in ended.err
    assert "fetch-depth: 0" in ended.err


def test_a_report_is_made_without_changing_anything_but_the_folder(change, mlgit):
    refs = git(change, "for-each-ref")
    edit(change, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(change)
    head = git(change, "for-each-ref")
    plan_change(mlgit, change)
    assert git(change, "for-each-ref") == head
    assert refs != head
    with open_session(change) as session:
        assert session.state_store.read().commit

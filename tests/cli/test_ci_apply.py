"""mlgit ci check and ci apply: what was reviewed is applied after the merge, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import Ended, Mlgit
from workspaces import APPLY, commit, edit, git, until

from reconciler.format.schemas import is_valid_for_schema
from reconciler.render.result_json import dump_result, parse_result

_LIVE = "refs/mlgit/small/default/live"
Report = Callable[..., Path]


@pytest.fixture
def report(mlgit: Mlgit, tmp_path: Path) -> Report:
    """Make a report on what is checked out, compared with a base."""

    def make(folder: Path, name: str, base: str = "main", *options: str) -> Path:
        out = tmp_path / "reports" / name
        ended = mlgit("ci", "plan", "--base", base, "--out", str(out), *options, cwd=folder)
        assert ended.code == 0, ended.err
        return out / "report.json"

    return make


@pytest.fixture
def apply(mlgit: Mlgit, tmp_path: Path) -> Callable[..., tuple[Ended, Mapping[str, Any]]]:
    """Run ci apply; return how it ended, and its result.json, which has been read back."""

    def run(folder: Path, *arguments: Path | str) -> tuple[Ended, Mapping[str, Any]]:
        ended = mlgit("ci", "apply", *map(str, arguments), "--out", str(tmp_path / "result"), cwd=folder)
        raw = (tmp_path / "result/result.json").read_bytes()
        document = json.loads(raw)
        assert is_valid_for_schema(document, "apply-result"), document
        assert dump_result(parse_result("result.json", raw)) == raw.decode()
        return ended, document

    return run


@pytest.fixture
def _ada(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "ada")


def branch(folder: Path, name: str, file: str, old: str, new: str) -> None:
    """Make a branch of main with one edit, and check it out."""
    git(folder, "checkout", "--quiet", "-b", name, "main")
    edit(folder, file, old, new)
    commit(folder, name)


def merge(folder: Path, *names: str) -> None:
    git(folder, "checkout", "--quiet", "main")
    for name in names:
        git(folder, "merge", "--quiet", "--no-ff", "--no-edit", name)


def describe(folder: Path, name: str, text: str = "new") -> None:
    branch(folder, name, "jobs/sum.yml", "factor: 2", f"factor: 2\ndescription: {text}")


def more_numbers(folder: Path, name: str, number: int = 4) -> None:
    branch(folder, name, "data/numbers.csv", "3", str(number))


def live(folder: Path) -> str:
    return git(folder, "rev-parse", _LIVE)


def test_a_merge_is_applied_though_the_base_has_moved_if_its_decisions_are_the_same(applied, report, apply, mlgit):
    describe(applied, "change")
    reviewed = report(applied, "change")
    git(applied, "checkout", "--quiet", "main")
    commit(applied, "unrelated", {"README.md": "text\n"})
    merge(applied, "change")
    assert mlgit("ci", "check", str(reviewed), cwd=applied).out == "As reviewed: 1 decision.\n"
    ended, result = apply(applied, reviewed)
    assert (ended.code, result["verdict"]) == (0, "applied")
    assert result["changes"] == ["job/sum: update in place, description added: new"]
    assert mlgit("plan", "--detailed-exitcode", cwd=applied).code == 0


@pytest.mark.usefixtures("_ada")
def test_a_version_that_was_taken_since_the_review_stops_the_apply(applied, report, apply, mlgit, golden):
    more_numbers(applied, "change")
    reviewed = report(applied, "change")
    git(applied, "checkout", "--quiet", "main")
    edit(applied, "data/numbers.csv", "2\n3", "2\n5\n3")
    commit(applied, "other")
    assert mlgit("apply", "--auto-approve", "--select", "data", cwd=applied).code == 0
    merge(applied)
    git(applied, "merge", "--quiet", "--no-edit", "-X", "theirs", "change")
    before = live(applied)
    assert mlgit("ci", "check", str(reviewed), cwd=applied).code == 1
    ended, result = apply(applied, reviewed)
    assert (ended.code, result["verdict"], live(applied)) == (1, "differs", before)
    golden("cli/ci/version-taken.txt", ended.err)
    golden("cli/ci/version-taken.md", (reviewed.parents[2] / "result/result.md").read_text("utf-8"))


def test_a_merge_queue_compares_what_a_change_brings_on_top_of_those_before_it(applied, report, mlgit):
    git(applied, "checkout", "--quiet", "-b", "first")
    git(applied, "rm", "--quiet", "models/total.yml")
    commit(applied, "first")
    more_numbers(applied, "second")
    reviewed = report(applied, "second")
    merge(applied, "first", "second")
    assert mlgit("ci", "check", str(reviewed), "--base", "main^1", cwd=applied).out == "As reviewed: 2 decisions.\n"
    refused = mlgit("ci", "check", str(reviewed), "--base", "main~2", cwd=applied)
    assert (refused.code, "model/total is not as reviewed" in refused.err) == (1, True)


def test_a_result_is_written_though_mlgit_yml_cannot_be_used(applied, apply):
    with (applied / "mlgit.yml").open("a") as file:
        file.write("stores: {}\n")
    commit(applied)
    ended, result = apply(applied)
    assert (ended.code, result["verdict"], result["commit"]) == (1, "refused", git(applied, "rev-parse", "HEAD"))
    assert result["errors"]


def test_a_result_has_the_errors_of_the_files(applied, apply, tmp_path):
    edit(applied, "jobs/sum.yml", "command:", "comand:")
    commit(applied)
    ended, result = apply(applied)
    assert (ended.code, result["verdict"], result["errors"][0]["code"]) == (1, "refused", "unknown-field")
    assert (
        "- `jobs/sum.yml:3:1`: unknown field comand; did you mean command?"
        in (tmp_path / "result/result.md").read_text()
    )


@pytest.mark.services
def test_one_apply_stands_for_two_merges(applied, report, apply, mlgit):
    describe(applied, "first")
    first = report(applied, "first")
    more_numbers(applied, "second")
    report(applied, "second")
    merge(applied, "first", "second")
    refused, result = apply(applied, first)
    assert (refused.code, result["verdict"]) == (1, "differs")
    assert {item["address"] for item in result["differences"]} == {"data/numbers", "job/sum"}
    ended, result = apply(applied, first.parent.parent, "--wait")
    assert (ended.code, result["verdict"]) == (0, "applied"), ended.err
    assert [item["address"] for item in result["versions"]] == ["data/numbers", "model/total"]
    assert mlgit("plan", "--detailed-exitcode", cwd=applied).code == 0


def test_the_report_on_an_earlier_head_of_a_branch_does_not_count_for_what_was_pushed_later(applied, report, apply):
    describe(applied, "change", "old")
    reviewed = report(applied, "change")
    edit(applied, "jobs/sum.yml", "description: old", "description: other")
    git(applied, "commit", "--quiet", "--amend", "--all", "--no-edit")
    merge(applied, "change")
    ended, result = apply(applied, reviewed)
    assert (ended.code, result["verdict"]) == (1, "differs")
    assert "description added: other" in ended.err
    assert "description added: old" in ended.err


def test_a_workflow_that_runs_again_finds_nothing_to_do_and_says_so(applied, report, apply, tmp_path):
    describe(applied, "change")
    reviewed = report(applied, "change")
    merge(applied, "change")
    assert apply(applied, reviewed)[0].code == 0
    before = live(applied)
    ended, result = apply(applied, reviewed)
    assert (ended.code, result["verdict"], live(applied)) == (0, "nothing", before)
    assert (tmp_path / "result/result.md").read_text("utf-8").startswith("### Nothing to apply: what was reviewed is")
    commit(applied, "newer", {"data/numbers.csv": "n\n7\n"})
    assert apply(applied, "--unreviewed", "--wait")[1]["verdict"] == "applied"
    git(applied, "checkout", "--quiet", "HEAD^")
    before = live(applied)
    ended, result = apply(applied, reviewed)
    assert (ended.code, result["verdict"], live(applied)) == (0, "nothing", before)
    assert ended.out.startswith("commit ")
    assert "nothing is left to do for this one" in result["notes"][0]


def test_a_report_that_was_edited_or_is_of_another_target_is_refused(applied, report, apply):
    with (applied / "mlgit.yml").open("a") as file:
        file.write("targets: {prod: {}}\n")
    commit(applied, "target")
    describe(applied, "change")
    reviewed, foreign = report(applied, "change"), report(applied, "prod", "main", "--target", "prod")
    ended, result = apply(applied, foreign)
    assert (ended.code, result["errors"][0]["code"]) == (1, "plan-foreign")
    reviewed.write_text(reviewed.read_text("utf-8").replace("description", "descriptiom"), "utf-8")
    ended, result = apply(applied, reviewed)
    assert (result["verdict"], result["errors"][0]["code"]) == ("refused", "plan-edited")


def test_without_a_report_only_what_follows_from_earlier_decisions_is_done(small, apply, mlgit):
    assert mlgit("apply", "--auto-approve", cwd=small).code == 0
    until(lambda: "completed" in mlgit("job", "list", cwd=small).out)
    describe(small, "change")
    merge(small, "change")
    ended, result = apply(small)
    assert (ended.code, result["verdict"]) == (1, "unreviewed")
    assert ended.err.startswith("error: 1 decision without a reviewed report: update job/sum [review-missing]\n")
    assert [(item["done"], item["status"]) for item in result["runs"]] == [("recorded", "completed")]
    assert [item["address"] for item in result["versions"]] == ["model/total"]
    ended, result = apply(small)
    assert (ended.code, result["verdict"], ended.out) == (1, "unreviewed", "")
    assert apply(small, "--unreviewed")[1]["verdict"] == "applied"


def test_on_a_runner_that_is_gone_after_its_job_nothing_happens(applied, report, apply, monkeypatch, golden):
    describe(applied, "change")
    reviewed, before = report(applied, "change"), live(applied)
    merge(applied, "change")
    monkeypatch.setenv("RUNNER_ENVIRONMENT", "github-hosted")
    ended, result = apply(applied, reviewed)
    assert (ended.code, result["verdict"], live(applied)) == (1, "refused", before)
    golden("cli/ci/hosted-runner.txt", ended.err)
    monkeypatch.setenv("RUNNER_ENVIRONMENT", "self-hosted")
    assert apply(applied, reviewed)[0].code == 0


def test_an_experiment_of_the_branch_is_adopted_after_the_merge(applied, report, apply, mlgit):
    branch(applied, "change", "jobs/sum.yml", "factor: 2", "factor: 3")
    assert mlgit("run", "jobs/sum.yml", cwd=applied).code == 0
    head = git(applied, "rev-parse", "HEAD")[:10]
    reviewed = report(applied, "change")
    merge(applied, "change")
    ended, result = apply(applied, reviewed)
    assert (ended.code, result["verdict"]) == (0, "applied"), ended.err
    (run,) = result["runs"]
    assert (run["done"], run["origin"]) == ("adopted", f"an experiment of `mlgit run` at commit {head}")
    assert f"(an experiment of `mlgit run` at commit {head}), which completed" in ended.out
    assert [item["run"] for item in result["versions"]] == [run["run"]]


def test_what_differs_because_another_mlgit_yml_counts_after_the_merge_is_said(applied, report, apply):
    git(applied, "checkout", "--quiet", "-b", "change")
    with (applied / "mlgit.yml").open("a") as file:
        file.write("protect: [model/*]\nassets: {include: [{glob: '**/*.yml', run: manual}]}\n")
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(applied, "settings")
    reviewed = report(applied, "change")
    merge(applied, "change")
    ended, result = apply(applied, reviewed)
    assert (ended.code, result["verdict"]) == (1, "differs")
    (difference,) = result["differences"]
    assert difference["now"] == "job/sum: is run by hand: mlgit job rerun sum"
    assert difference["reason"].startswith("the review followed mlgit.yml of the base, ")


def test_hostile_texts_are_no_markup_and_no_commands(applied, report, apply, tmp_path):
    text = '"x | @team <img src=x>\\n::error::y\\n- [a](http://b) \\u202e"'
    describe(applied, "change", text)
    reviewed = report(applied, "change")
    merge(applied, "change")
    ended, _ = apply(applied, reviewed)
    assert ended.code == 0
    markdown = (tmp_path / "result/result.md").read_text("utf-8")
    assert "\n::error" not in markdown
    assert "<img" not in markdown.replace("\\<img", "")
    assert "\u202e" not in markdown


@pytest.mark.services
def test_the_result_says_which_run_failed_and_why(small, report, apply):
    git(small, "checkout", "--quiet", "-b", "change")
    edit(small, "src/sum.py", "import pathlib, sys", "import pathlib, sys\nsys.exit('no numbers')")
    commit(small, "broken")
    reviewed = report(small, "change", "main")
    merge(small, "change")
    ended, result = apply(small, reviewed, "--wait")
    assert (ended.code, result["verdict"]) == (1, "failed")
    (run,) = result["runs"]
    assert (run["status"], run["done"]) == ("failed", "submitted")
    assert "exit code 1" in run["message"] or "no numbers" in run["message"]
    assert result["failures"][0]["action"] == "job/sum"


def test_a_run_of_another_target_is_adopted_and_stays_so(applied, report, apply, mlgit):
    with (applied / "mlgit.yml").open("a") as file:
        file.write("targets: {prod: {reuse_from: [default]}}\n")
    commit(applied, "target")
    reviewed = report(applied, "prod", "HEAD", "--target", "prod")
    ended, result = apply(applied, reviewed, "--target", "prod")
    assert (ended.code, result["verdict"]) == (0, "applied"), ended.err
    (run,) = result["runs"]
    assert (run["done"], run["status"]) == ("adopted", "completed")
    assert " of target default at commit " in run["origin"]
    assert [item["address"] for item in result["versions"]][-1] == "model/total"
    edit(applied, "mlgit.yml", "reuse_from: [default]", "retries: 1")
    assert mlgit("plan", "--target", "prod", "--detailed-exitcode", cwd=applied).code == 0
    (listed,) = json.loads(mlgit("job", "list", "--target", "prod", "--format", "json", cwd=applied).out)
    assert listed["adopted_from"]["target"] == "default"


def test_the_run_of_a_target_with_another_store_is_not_adopted_and_a_note_says_why(applied, mlgit):
    with (applied / "mlgit.yml").open("a") as file:
        file.write("targets: {prod: {reuse_from: [default], store: {path: .mlgit/prod}}}\n")
    commit(applied, "target")
    assert mlgit(*APPLY, "--target", "prod", "--select", "data", cwd=applied).code == 0
    planned = mlgit("plan", "--target", "prod", cwd=applied)
    assert "> first run of job/sum" in planned.out
    assert "of target default has the same inputs, but its outputs are in another store" in planned.out

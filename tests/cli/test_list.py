"""mlgit list: current assets, the versions of one, archived ones, and names that are ambiguous."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit, git, write

pytestmark = pytest.mark.slow

DATA = """
    $schema: https://azuremlschemas.azureedge.net/latest/data.schema.json
    name: total
    type: uri_file
    path: numbers.csv
    """


@pytest.fixture
def versions(applied, mlgit):
    """Give data/numbers three versions, of which the first is archived, and archive model/total."""
    for number in ("4", "5"):
        edit(applied, "data/numbers.csv", "3\n", f"3\n{number}\n")
        commit(applied)
        assert mlgit(*APPLY, cwd=applied).code == 0
    git(applied, "rm", "--quiet", "models/total.yml")
    commit(applied)
    for address in ("data/numbers@1", "model/total"):
        assert mlgit("archive", address, "--auto-approve", cwd=applied).code == 0
    return applied


def listed(mlgit, folder, *arguments):
    ended = mlgit("list", *arguments, "--format", "json", cwd=folder)
    assert ended.code == 0, ended.err
    return [(asset["address"], asset.get("version")) for asset in json.loads(ended.out)]


def test_the_versions_of_an_asset_are_listed_newest_first(versions, mlgit, golden):
    ended = mlgit("list", "data/numbers", cwd=versions)
    golden("cli/list/versions.txt", ended.out)
    assert ended.err == "1 archived version not listed; use --include-archived\n"
    assert listed(mlgit, versions, "data/numbers") == [("data/numbers", "3"), ("data/numbers", "2")]
    assert listed(mlgit, versions, "data") == [("data/numbers", "3")]


@pytest.mark.parametrize("option", ["--all", "--archived", "--include-archived"])
def test_archived_versions_are_listed_if_they_are_asked_for(versions, mlgit, option):
    ended = mlgit("list", "data/numbers", option, cwd=versions)
    assert (ended.code, ended.err) == (0, "")
    assert "data/numbers  1 (archived)" in ended.out
    assert [version for _, version in listed(mlgit, versions, "data/numbers", option)] == ["3", "2", "1"]
    assert listed(mlgit, versions, "model") == []
    assert ("model/total", "3") in listed(mlgit, versions, "model", option)


def test_all_lists_every_version_of_every_asset(versions, mlgit, golden):
    golden("cli/list/all.txt", mlgit("list", "--all", cwd=versions).out)
    everything = listed(mlgit, versions, "--all")
    assert [version for address, version in everything if address == "data/numbers"] == ["3", "2", "1"]
    assert [version for address, version in everything if address == "model/total"] == ["3", "2", "1"]
    assert {address for address, _ in everything} == {address for address, _ in listed(mlgit, versions, "--archived")}
    document = json.loads(mlgit("list", "--all", "--format", "json", cwd=versions).out)
    current = {asset["address"]: asset.get("version") for asset in document if asset["current"]}
    assert current == dict(listed(mlgit, versions, "--archived"))


def test_versions_are_listed_under_the_name_of_a_renamed_asset(versions, mlgit):
    git(versions, "mv", "data/numbers.yml", "data/figures.yml")
    edit(versions, "data/figures.yml", "name: numbers", "name: figures")
    edit(versions, "jobs/sum.yml", "azureml:numbers@latest", "azureml:figures@latest")
    text = (versions / "mlgit.yml").read_text("utf-8")
    write(versions, {"mlgit.yml": text + "moved: [{from: data/numbers, to: data/figures}]\n"})
    commit(versions)
    assert mlgit(*APPLY, cwd=versions).code == 0
    assert [version for _, version in listed(mlgit, versions, "data/figures", "--all")] == ["3", "2", "1"]


def test_an_asset_without_versions_is_listed_alone(applied, mlgit):
    job = mlgit("list", "job/sum", cwd=applied)
    assert (job.code, len(job.out.splitlines())) == (0, 2)
    assert job.err == "`mlgit job list sum` lists its runs.\n"
    assert listed(mlgit, applied, "workspace/small") == [("workspace/small", None)]


def test_one_declared_asset_is_listed(applied, mlgit):
    assert listed(mlgit, applied, "--declared", "model/total") == [("model/total", None)]
    assert mlgit("list", "--declared", "model/none", cwd=applied).out == "No model/none is declared.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("models",), "there is no kind models; did you mean model?"),
        (("models/total",), "there is no kind models; did you mean model?"),
        (("model/total@1",), "list shows all versions of an asset; `mlgit show model/total@1` shows one"),
        (("model/totl",), "model/totl is not live [address-unknown]\n  help: did you mean model/total?"),
        (("--declared", "--all"), "--declared lists what files declare"),
    ],
)
def test_what_cannot_be_listed_is_an_error_with_what_can(applied, mlgit, arguments, message):
    ended = mlgit("list", *arguments, cwd=applied)
    assert (ended.code, ended.out) == (1, "")
    assert message in ended.err


@pytest.mark.parametrize("command", [("show", "total"), ("show", "total@1"), ("archive", "total"), ("import", "total")])
def test_a_name_that_several_assets_have_is_an_error_with_all_of_them(applied, mlgit, command):
    commit(applied, "data", {"data/total.yml": DATA, "data/deep/total.yml": DATA.replace("    name: total\n", "")})
    edit(applied, "data/deep/total.yml", "numbers.csv", "../numbers.csv")
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    ended = mlgit(*command, cwd=applied)
    assert (ended.code, ended.out) == (1, "")
    message = f"error: {command[1]} can be data/data/deep/total, data/total, model/total [address-ambiguous]"
    assert ended.err.startswith(message)


@pytest.mark.parametrize(
    ("typed", "address"),
    [("total", "model/total"), ("sum", "job/sum"), ("model/totl", "model/total"), ("models/total", "model/total")],
)
def test_a_name_that_one_asset_has_is_suggested_with_its_kind(applied, mlgit, typed, address):
    ended = mlgit("show", typed, cwd=applied)
    assert ended.err == f"error: {typed} is not live [address-unknown]\n  help: did you mean {address}?\n"

"""Resources: what a provider makes for an asset, from its declaration to its removal."""

from __future__ import annotations

from resources.conftest import LIVE, compute, recorded
from workspaces import commit, edit, git

APPLY = ("apply", "--auto-approve")


def remove(folder, name):
    (folder / f"compute/{name}.yml").unlink()
    commit(folder)


def test_a_resource_is_made_once_and_its_record_has_its_handle_and_condition(cluster, provider, mlgit):
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert (provider.made, list(provider.things)) == (["cpu"], ["cpu"])
    record = recorded(cluster)
    assert record["handle"]["provider"] == "reference"
    assert record["condition"] == {"phase": "ready"}
    assert "intent" not in record


def test_a_resource_is_updated_in_place_and_replaced_as_its_kind_says(cluster, provider, mlgit):
    assert mlgit(*APPLY, cwd=cluster).code == 0
    first = recorded(cluster)["handle"]
    commit(cluster, "nodes", compute(nodes=3))
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert provider.things["cpu"][0]["max_instances"] == 3
    assert (recorded(cluster)["handle"], len(provider.made)) == (first, 1)
    commit(cluster, "size", compute(size="large", nodes=3))
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert [thing["size"] for thing in provider.things["cpu"]] == ["large"]
    assert recorded(cluster)["handle"] != first


def test_the_record_of_a_resource_is_removed_after_the_resource(cluster, provider, mlgit):
    assert mlgit(*APPLY, cwd=cluster).code == 0
    remove(cluster, "cpu")
    provider.set("slow", "3")
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert (provider.things, recorded(cluster)) == ({}, None)


def test_a_resource_that_is_made_again_after_its_removal_is_another_one(cluster, provider, mlgit):
    assert mlgit(*APPLY, cwd=cluster).code == 0
    first = recorded(cluster)["handle"]
    remove(cluster, "cpu")
    assert mlgit(*APPLY, cwd=cluster).code == 0
    commit(cluster, "again", compute())
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert recorded(cluster)["handle"] != first
    assert list(provider.things) == ["cpu"]


def test_a_resource_that_takes_time_is_waited_for(cluster, provider, mlgit):
    provider.set("slow", "4")
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert recorded(cluster)["condition"] == {"phase": "ready"}


def test_an_unreachable_provider_fails_its_own_actions_only_and_leaves_the_records(cluster, provider, mlgit):
    commit(cluster, "gpu", compute("gpu"))
    assert mlgit(*APPLY, cwd=cluster).code == 0
    remove(cluster, "gpu")
    before = recorded(cluster), recorded(cluster, "gpu")
    provider.set("unreachable")
    drift = mlgit("drift", cwd=cluster)
    assert "it does not answer; it stands as recorded" in drift.out + drift.err
    commit(cluster, "connection", {"connections/d.yml": _CONNECTION})
    ended = mlgit(*APPLY, cwd=cluster)
    assert ended.code == 1
    assert "[reference-unreachable]" in ended.out
    assert "current/" in git(cluster, "ls-tree", "-r", "--name-only", LIVE)
    assert recorded(cluster, "git", "connection")
    assert recorded(cluster) == before[0]
    assert recorded(cluster, "gpu")["handle"] == before[1]["handle"]
    provider.unset("unreachable")
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert (list(provider.things), recorded(cluster, "gpu")) == (["cpu"], None)


_CONNECTION = """
    $schema: https://azuremlschemas.azureedge.net/latest/workspaceConnection.schema.json
    name: git
    type: git
    target: https://example.org/x.git
    """


def test_a_resource_that_its_provider_has_lost_is_drift_and_made_again(cluster, provider, mlgit):
    assert mlgit(*APPLY, cwd=cluster).code == 0
    provider.forget_everything()
    drift = mlgit("drift", cwd=cluster)
    assert "compute/cpu: its provider no longer has it\n    apply creates it again" in drift.out
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert (list(provider.things), provider.made) == (["cpu"], ["cpu", "cpu"])
    assert recorded(cluster)["condition"] == {"phase": "ready"}


def test_a_lost_resource_that_is_no_longer_declared_is_only_forgotten(cluster, provider, mlgit):
    assert mlgit(*APPLY, cwd=cluster).code == 0
    provider.forget_everything()
    remove(cluster, "cpu")
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert (provider.things, recorded(cluster)) == ({}, None)


def test_drift_that_is_only_shown_leaves_a_lost_resource_lost(cluster, provider, mlgit):
    commit(cluster, "warn", {"mlgit.yml": (cluster / "mlgit.yml").read_text() + "drift: {compute: warn}\n"})
    assert mlgit(*APPLY, cwd=cluster).code == 0
    provider.forget_everything()
    assert "set drift: repair" in mlgit("drift", cwd=cluster).out
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert provider.things == {}


def test_a_resource_that_fails_is_recorded_and_made_again_on_request(cluster, provider, mlgit):
    provider.set("failing")
    ended = mlgit(*APPLY, cwd=cluster)
    assert (ended.code, "[resource-failed]" in ended.out) == (1, True)
    assert recorded(cluster)["condition"] == {"phase": "failed"}
    assert "compute/cpu: its provider reports that it failed" in mlgit("drift", cwd=cluster).out
    provider.unset("failing")
    assert mlgit(*APPLY, "--replace", "compute/cpu", cwd=cluster).code == 0
    assert recorded(cluster)["condition"] == {"phase": "ready"}
    assert len(provider.things["cpu"]) == 1


def test_a_renamed_resource_keeps_its_handle(cluster, provider, mlgit):
    assert mlgit(*APPLY, cwd=cluster).code == 0
    handle = recorded(cluster)["handle"]
    (cluster / "compute/cpu.yml").unlink()
    moved = "moved: [{from: compute/cpu, to: compute/big}]\n"
    commit(cluster, "move", {**compute("big"), "mlgit.yml": (cluster / "mlgit.yml").read_text() + moved})
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert (recorded(cluster, "big")["handle"], provider.made) == (handle, ["cpu"])


def test_what_a_provider_has_made_is_never_forgotten_with_its_binding(cluster, provider, mlgit):
    assert mlgit(*APPLY, cwd=cluster).code == 0
    lines = (cluster / "mlgit.yml").read_text().splitlines(keepends=True)
    commit(cluster, "unbind", {"mlgit.yml": "".join(line for line in lines if "providers" not in line)})
    remove(cluster, "cpu")
    ended = mlgit(*APPLY, cwd=cluster)
    assert (ended.code, "[provider-missing]" in ended.out) == (1, True)
    assert recorded(cluster)["handle"]
    assert list(provider.things) == ["cpu"]


def test_a_recorded_asset_is_made_when_its_kind_gets_a_provider(cluster, provider, mlgit):
    config = (cluster / "mlgit.yml").read_text()
    commit(cluster, "unbind", {"mlgit.yml": config.splitlines(keepends=True)[0]})
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert provider.made == []
    commit(cluster, "bind", {"mlgit.yml": config})
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert provider.made == ["cpu"]
    assert mlgit("plan", cwd=cluster).out.startswith("No changes. ")


def test_a_provider_that_is_not_installed_is_an_error_at_its_line(cluster, mlgit):
    edit(cluster, "mlgit.yml", "type: reference", "type: referenze")
    ended = mlgit("validate", cwd=cluster)
    assert "mlgit.yml:2:" in ended.out + ended.err
    assert "[provider-unknown]" in ended.out + ended.err

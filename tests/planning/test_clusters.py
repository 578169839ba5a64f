"""Clusters that mlgit makes for a compute: what a plan says of them, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from planning.project import SCHEMA, SUM, InMemoryProject, action_on, declared_by, edited, plan_options_of, tree_of

from reconciler.model import Address, Handle, Op, RunStatus
from reconciler.planning.affinity import deferral_reason
from reconciler.planning.bindings import describe_binding_change, makes_another_cluster
from reconciler.planning.clusters import cluster_binding
from reconciler.planning.file_checks import check_files_together
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.planning.plan import PlanInputs

pytestmark = pytest.mark.fast

HOSTS = [{"machine": f"{name}.example.com", "address": f"10.0.0.{number}"} for number, name in enumerate("abc", 1)]
NODES = Address("compute", "nodes")
_OF_CLUSTER = ("compute/nodes.yml", "jobs/sum.yml", "models/total.yml")


def workspace(backend: dict[str, Any] | None = None, compute: str = "azureml:nodes", **fields: Any) -> dict[str, str]:
    """Return the small workspace with its job on a cluster of two hosts and a head."""
    settings = {"type": "ray", "folder": "/shared/mlgit", "hosts": HOSTS, **(backend or {})}
    spec = {"name": "nodes", "type": "amlcompute", "max_instances": 2, **fields}
    files = edited("mlgit.yml", "{local: {type: local}}", yaml.safe_dump({"ray": settings}, default_flow_style=True))
    files = edited("mlgit.yml", '"*": local', '"*": ray', files)
    files = edited("jobs/sum.yml", "compute: local", f"compute: {compute}", files)
    return {**files, "compute/nodes.yml": SCHEMA.format("amlCompute") + yaml.safe_dump(spec)}


def problems(files: dict[str, str]) -> list[tuple[str, str]]:
    """Return what is refused in a plan, and what is wrong between files: the file and the message."""
    plan, diagnostics = InMemoryProject().plan_with_diagnostics(files)
    together = check_files_together(declared_by(files), plan_options_of(files).config, tree_of(files))
    found = (*plan.refusals, *diagnostics, *together)
    return [(str(item.span).partition(":")[0], item.message) for item in found]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "0 to 2 nodes"),
        ({"max_instances": 1}, "0 to 1 node"),
        ({"min_instances": 2}, "2 nodes"),
        ({"max_instances": None}, "0 to 2 nodes"),
    ],
)
def test_the_plan_says_where_a_cluster_is_made_and_how_large_it_gets(fields, words):
    files = workspace(**fields)
    if "max_instances" in fields and fields["max_instances"] is None:
        files = edited("compute/nodes.yml", "max_instances: null\n", "", files)
    action = action_on(InMemoryProject().plan(files), NODES)
    made = f"starts a Ray cluster, head on a.example.com, {words} on b.example.com, c.example.com"
    assert (action.op, action.reason) == (Op.CREATE, made)


def test_a_compute_that_wants_more_nodes_than_there_are_hosts_is_refused_at_its_line():
    message = "compute/nodes asks for 3 nodes (max_instances), and the backend ray has 2 hosts beside that of the head"
    assert ("compute/nodes.yml", message) in problems(workspace(max_instances=3))


def local_workspace(**fields: Any) -> dict[str, str]:
    """Return the small workspace with its job on a cluster of one machine."""
    files = workspace(**fields)
    config = yaml.safe_load(files["mlgit.yml"])
    del config["backends"]["ray"]["hosts"]
    return {**files, "mlgit.yml": yaml.safe_dump(config)}


def test_the_plan_says_how_large_a_cluster_on_this_machine_gets():
    made = "starts a Ray cluster on this machine, a head and 0 to 2 nodes"
    assert action_on(InMemoryProject().plan(local_workspace()), NODES).reason == made


def test_a_cluster_on_one_machine_has_no_more_nodes_than_addresses():
    message = "compute/nodes asks for 201 nodes (max_instances), and the backend ray makes 200 nodes on one machine"
    assert ("compute/nodes.yml", f"{message} at most") in problems(local_workspace(max_instances=201))


def test_hosts_make_another_cluster_than_this_machine():
    before = {"backend": "ray", "cluster": {"folder": "/shared/mlgit"}}
    after = {"backend": "ray", "cluster": {"hosts": HOSTS, "folder": "/shared/mlgit"}}
    assert makes_another_cluster(before, after)
    assert makes_another_cluster(after, before)


def test_two_computes_cannot_share_a_cluster():
    files = workspace()
    files["compute/other.yml"] = files["compute/nodes.yml"].replace("name: nodes", "name: other")
    message = "the backend ray makes one cluster, and both compute/nodes and compute/other are bound to it"
    assert ("compute/other.yml", message) in problems(files)


def test_a_run_on_a_cluster_that_no_file_declares_is_refused():
    message = (
        "job/sum: no file declares the compute local, and the backend ray makes its cluster for a declared one only"
    )
    assert ("jobs/sum.yml", message) in problems(workspace(compute="local"))


def test_only_an_amlcompute_is_made_as_a_cluster():
    files = workspace()
    files["compute/nodes.yml"] = (
        SCHEMA.format("kubernetesCompute") + "name: nodes\ntype: kubernetes\nresource_id: azureml:/subscriptions/1\n"
    )
    assert any("does not support" in message for path, message in problems(files) if path == "compute/nodes.yml")


def test_other_hosts_are_another_cluster():
    before = {"backend": "ray", "cluster": {"hosts": HOSTS, "folder": "/shared/mlgit"}}
    after = {"backend": "ray", "cluster": {"hosts": HOSTS[:2], "folder": "/shared/mlgit"}}
    assert makes_another_cluster(before, after)
    assert not makes_another_cluster(before, before)
    assert not makes_another_cluster({"backend": "ray"}, after)
    assert describe_binding_change(before, after) == "hosts of its cluster: c.example.com (10.0.0.3) removed"
    after["cluster"]["hosts"] = [{**HOSTS[0], "port": 2222}, *HOSTS[1:], {"machine": "d", "address": "10.0.0.4"}]
    changes = "d (10.0.0.4) added, port of a.example.com (10.0.0.1) changed"
    assert describe_binding_change(before, after) == f"hosts of its cluster: {changes}"
    after["cluster"]["hosts"] = HOSTS[::-1]
    assert describe_binding_change(before, after) == "hosts of its cluster: in another order"
    assert describe_binding_change(before, {"backend": "local"}) == "backend ray -> local; its cluster is removed"


def live_project(files: dict[str, str]) -> InMemoryProject:
    """Return a project whose cluster has been made, with a run on it."""
    project = InMemoryProject()
    project.apply(files)
    binding = {"backend": "ray", "cluster": cluster_binding(plan_options_of(files).config, NODES)}
    made = replace(project.records[NODES], handle=Handle("ray", "token"), realised=binding)
    project.records[NODES] = made
    return project


def test_a_field_that_the_cluster_does_not_use_changes_nothing_of_it():
    project = live_project(workspace(size="STANDARD_NC6"))
    action = action_on(project.plan(workspace(size="STANDARD_D2")), NODES)
    assert (action.op, action.before["size"], action.after["size"]) == (Op.UPDATE, "STANDARD_NC6", "STANDARD_D2")
    assert action_on(project.plan(workspace()), NODES).op is Op.UPDATE
    both = {"size": "STANDARD_D2", "max_instances": 1}
    assert action_on(project.plan(workspace(**both)), NODES).op is Op.UPDATE
    requested = project.plan(workspace(size="STANDARD_D2"), requested=frozenset({NODES}))
    assert action_on(requested, NODES).op is Op.REPLACE


def test_the_runs_that_end_with_a_cluster_are_named():
    files = workspace()
    project = live_project(files)
    run = project.latest().id
    lost = f"compute/nodes: its cluster is {{}}, and what goes on there is lost: run {run} of job/sum"
    moved = project.plan(workspace({"hosts": HOSTS[:2]}, max_instances=1))
    assert action_on(moved, NODES).op is Op.REPLACE
    assert lost.format("replaced") in moved.notes
    del files["compute/nodes.yml"]
    files = edited("mlgit.yml", "folder: /shared/mlgit", "folder: /shared/mlgit, address: 'http://h:8265'", files)
    config = yaml.safe_load(files["mlgit.yml"])
    del config["backends"]["ray"]["hosts"]
    removed = project.plan({**files, "mlgit.yml": yaml.safe_dump(config)})
    assert action_on(removed, NODES).op is Op.DELETE
    assert lost.format("removed") in removed.notes
    project.end(RunStatus.COMPLETED)
    assert not any("is lost" in note for note in project.plan(workspace({"hosts": HOSTS[:2]}, max_instances=1)).notes)


def test_a_plan_of_a_part_knows_the_compute_of_a_job_that_it_does_not_load():
    files, project = workspace(), InMemoryProject()
    del files["jobs/sum.yml"], files["models/total.yml"]
    project.apply(files)
    desired = project.desired(workspace())
    assets = {address: asset for address, asset in desired.declared.assets.items() if address != NODES}
    part = desired._replace(declared=desired.declared._replace(assets=assets), clean={NODES: 0})
    plan, _ = run_plan_pipeline(PlanInputs(part, project.state(), plan_options_of(files)))
    assert plan.refusals == ()
    assert action_on(plan, SUM).op is Op.SUBMIT


def test_only_the_machine_of_host_makes_changes_and_removes_a_cluster():
    files = workspace({"host": "big"})
    config, project = plan_options_of(files).config, live_project(files)
    plans = [InMemoryProject().plan(files), project.plan(workspace({"host": "big"}, max_instances=1))]
    plans.append(project.plan({name: text for name, text in files.items() if name not in _OF_CLUSTER}))
    actions = [action_on(plan, NODES) for plan in plans]
    assert [action.op for action in actions] == [Op.CREATE, Op.UPDATE, Op.DELETE]
    reason = "can only be done on big, which has the backend ray"
    assert {deferral_reason(action, config, "laptop") for action in actions} == {reason}
    assert {deferral_reason(action, config, "big") for action in actions} == {""}

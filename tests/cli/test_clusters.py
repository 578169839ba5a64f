"""The settings of a Ray cluster that mlgit makes, as `validate` checks them."""

from __future__ import annotations

import pytest
from workspaces import commit, edit

A, B = "{machine: a, address: 10.0.0.1}", "{machine: b, address: 10.0.0.2}"


NODES = """
    $schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json
    name: nodes
    type: amlcompute
    """


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("machine: a", "machine: is the one that submits to a cluster that exists, and the backend has no address:"),
        ("address: 'http://h:8265', ray: /opt/ray", "ray: is for a cluster that mlgit makes, and address: for one"),
        (f"hosts: [{A}]", "this must have at least 2 entries"),
        (
            f"address: 'http://h:8265', hosts: [{A}, {B}]",
            "address: is for a cluster that exists, and hosts: is for one",
        ),
        (f"hosts: [{A}, {A}]", "two hosts have the address 10.0.0.1, and Ray knows a host by its address"),
        (f"hosts: [{A}, {{machine: b, address: 127.0.0.1}}]", "an IPv4 address at which the other hosts reach it"),
        (f"hosts: [{A}, {{machine: b}}]", "the field address is missing in hosts.1"),
        (f"hosts: [{A}, {{mashine: b, address: 10.0.0.2}}]", "unknown field mashine in hosts.1"),
        (f"hosts: [{A}, b]", 'this must be a mapping, not "b"'),
        ("hosts: a", 'this must be a list, not "a"'),
        (f"hosts: [{A}, {{machine: [b], address: 10.0.0.2}}]", "this must be a string, not a list"),
        (
            f"hosts: [{A}, {{machine: b, address: 10.0.0.2, host_key: ssh-ed25519 AAAA}}]",
            "host_key: is no key of a host: its second word is no key of the type ssh-ed25519",
        ),
        ("address: 'http://h:8265', user: ml", "the field machine is missing in cluster, which user needs"),
    ],
)
def test_a_setting_that_is_wrong_is_an_error_at_its_line(small, mlgit, settings, message):
    backend = f"{{type: ray, folder: /shared{', ' if settings else ''}{settings}}}"
    edit(small, "mlgit.yml", "{local: {type: local}}", f"{{local: {{type: local}}, cluster: {backend}}}")
    edit(small, "mlgit.yml", '{"*": local}', '{"*": local, nodes: cluster}')
    commit(small, "compute", {"compute/nodes.yml": NODES})
    validated = mlgit("validate", cwd=small)
    assert validated.code == 1
    (line,) = [line for line in (validated.out + validated.err).splitlines() if message in line]
    assert line.startswith("mlgit.yml:3:")


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("ssh-ed25519 AAA", "its second word is not base64"),
        ("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==", "its second word is no key of the type ssh-rsa"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==", "its second word ends too early"),
    ],
)
@pytest.mark.parametrize("backend", ["type: ssh, machine: gpu1", "type: slurm, folder: /shared, machine: head"])
def test_a_host_key_that_is_none_is_an_error_at_its_line(small, mlgit, backend, key, problem):
    settings = f"\n  local: {{type: local}}\n  other:\n    {{{backend},\n     host_key: {key}}}"
    edit(small, "mlgit.yml", "{local: {type: local}}", settings)
    for command in ("validate", "plan"):
        ended = mlgit(command, cwd=small)
        assert ended.code == 1
        assert f"mlgit.yml:7:16: error: host_key: is no key of a host: {problem}" in ended.out + ended.err


def test_a_plan_says_at_the_compute_what_its_cluster_lacks_on_this_machine(small, mlgit):
    backend = "{type: ray, folder: /shared, ray: /nowhere/ray}"
    edit(small, "mlgit.yml", "{local: {type: local}}", f"{{local: {{type: local}}, cluster: {backend}}}")
    edit(small, "mlgit.yml", '{"*": local}', '{"*": local, nodes: cluster}')
    commit(small, "compute", {"compute/nodes.yml": NODES})
    planned = mlgit("plan", "--select", "compute/nodes", cwd=small)
    assert planned.code == 0, planned.out + planned.err
    lacks = "warning: compute/nodes: cluster: this machine has no program /nowhere/ray"
    assert f"compute/nodes.yml:3:7: {lacks}" in planned.err, planned.out + planned.err

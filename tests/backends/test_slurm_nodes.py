"""What Slurm lists of its nodes, beside what the settings of a backend ask for."""

from __future__ import annotations

import pytest

from reconciler.backends._slurm_nodes import (
    Nodes,
    count_nodes,
    find_misfits,
    in_partitions,
    longest_seconds,
    parse_nodes,
)
from reconciler.backends.slurm import BACKEND
from reconciler.model.capacity import Capacity, Limit, RunRequest
from reconciler.model.resources import Compute, Resources

pytestmark = pytest.mark.fast
# As sinfo 22.05 prints them: a star after the partition by default, sockets of devices, and (null) for nothing.
LISTING = """
main*|1:00:00|1-infinite|3|32|128000|(null)|cpu,intel
gpu|2-00:00:00|1-2|4|64|512000|gpu:a100:4(S:0-1),shard:16|a100,intel
gpu|2-00:00:00|1-2|1|16|64000|gpu:v100:2|v100
long|infinite|1-infinite|1|8|16000|(null)|(null)
sinfo: a line that is something else
"""
NODES = parse_nodes(LISTING)


def test_nodes_are_read_from_a_listing():
    assert [item.partition for item in NODES] == ["main", "gpu", "gpu", "long"]
    assert NODES[1] == Nodes(
        "gpu", False, 2 * 86400, 2, 4, 64, 512000, (("gpu", "a100", 4), ("shard", "", 16)), frozenset({"a100", "intel"})
    )
    assert (NODES[0].is_default, NODES[0].seconds, NODES[0].most, NODES[3].seconds) == (True, 3600, None, None)


def test_without_a_partition_the_one_that_the_cluster_has_by_default_counts():
    assert [item.partition for item in in_partitions(NODES, "")] == ["main"]
    assert [item.partition for item in in_partitions(NODES, "main,long")] == ["main", "long"]
    assert in_partitions(NODES, "mai") == []


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        (
            {"cpus": 33},
            "each run asks for cpus: 33, and no node of the partition main has that",
            "none has more than 32 processors and 128000M of memory; lower cpus:, memory: or gres: in mlgit.yml",
        ),
        (
            {"partition": "gpu", "memory": "1T", "gres": "gpu:8"},
            "each run asks for memory: 1T, gres: gpu:8, and no node of the partition gpu has that",
            "none has more than 64 processors, 512000M of memory and gpu:4; lower cpus:, memory: or gres: in mlgit.yml",
        ),
        (  # no node has both
            {"partition": "gpu", "cpus": 32, "gres": "gpu:v100:1"},
            "each run asks for cpus: 32, gres: gpu:v100:1, and no node of the partition gpu has that",
            (
                "none has more than 64 processors, 512000M of memory and gpu:v100:2; "
                "lower cpus:, memory: or gres: in mlgit.yml"
            ),
        ),
        (
            {"partition": "gpu", "constraint": "h100"},
            "no node of the partition gpu has the feature h100; its features: a100, intel, v100",
            "correct constraint: of the backend in mlgit.yml",
        ),
        (
            {"time": "90m"},
            "a run may ask for time: 90m, and the partition main ends jobs after 60 minutes",
            "set time: 60m or less in mlgit.yml",
        ),
    ],
)
def test_what_no_node_has_is_said_with_what_there_is(settings, message, hint):
    assert [*find_misfits(settings, in_partitions(NODES, settings.get("partition", "")))] == [(message, hint)]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"cpus": 32, "memory": "125G"},
        {"partition": "main,gpu", "cpus": 64},
        {"partition": "gpu", "gres": "gpu:4"},
        {"partition": "gpu", "gres": "gpu"},
        {"partition": "gpu", "gres": "gpu:a100:4,shard:16"},
        {"partition": "gpu", "constraint": "v100", "cpus": 16},
        {"partition": "gpu", "constraint": "h100|a100"},  # an expression is for Slurm to judge
        {"partition": "long", "time": "90d"},
        {"partition": "main,long", "time": "90d"},
        {"time": "1h"},
    ],
)
def test_what_a_node_has_is_no_misfit(settings):
    assert [*find_misfits(settings, in_partitions(NODES, settings.get("partition", "")))] == []


def test_one_run_has_no_more_nodes_than_a_partition_has_for_it():
    gpu = in_partitions(NODES, "gpu")
    assert count_nodes({}, in_partitions(NODES, "")) == 3
    assert count_nodes({}, in_partitions(NODES, "main,long")) == 3
    assert count_nodes({}, gpu) == 2  # the partition allows no larger jobs
    assert count_nodes({"constraint": "v100"}, gpu) == 1
    assert count_nodes({"cpus": 100}, gpu) == 0
    assert (longest_seconds(gpu), longest_seconds(NODES)) == (2 * 86400, None)


CLUSTER = Compute("c", {"type": "amlcompute"})


@pytest.mark.parametrize(
    ("settings", "compute", "capacity"),
    [
        ({}, CLUSTER, Capacity()),
        (
            {"time": "2h"},
            CLUSTER,
            Capacity(seconds=Limit(7200, "time: of the backend in mlgit.yml", "raise time: there")),
        ),
        (
            {},
            Compute("c", {"type": "amlcompute", "max_instances": 3}),
            Capacity(instances=Limit(3, "max_instances", "raise max_instances of the compute")),
        ),
        (
            {},
            Compute("c", {"type": "computeinstance"}),
            Capacity(instances=Limit(1, "it is of type computeinstance", "use a compute of type amlcompute")),
        ),
        ({}, Compute("c"), Capacity()),
    ],
)
def test_files_alone_say_how_many_instances_and_how_much_time_a_run_has(settings, compute, capacity):
    assert BACKEND.find_capacity(settings, RunRequest(compute)) == capacity


@pytest.mark.parametrize(
    ("gres", "instances", "gpus"),
    [(None, 1, 0), ("gpu", 1, 1), ("gpu:2", 1, 2), ("gpu:a100:2", 3, 6), ("gpu:a100", 1, 1), ("shard:4,gpu:1", 1, 1)],
)
def test_the_gpus_of_a_run_are_those_of_its_devices_on_each_instance(gres, instances, gpus):
    settings = {"gres": gres} if gres else {}
    assert BACKEND.count_gpus(settings, RunRequest(CLUSTER, Resources(instances))) == gpus

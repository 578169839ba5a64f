"""Starts the runners of a run on several nodes of a Ray cluster, in one group that has all of them or none.

It is executed by Ray's own Python, as a driver of the cluster, and not imported. A node's runner is started by a
process of Ray, whose end the runner notices.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

_OPTIONS = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}
_GROUP_SECONDS = 600.0  # after which the group is waited for again
_LAST_SECONDS = 60.0  # for the other instances, when the first one has ended


def run_instance(command: Sequence[str]) -> int:
    """Run the runner of an instance here and return its exit code; its standard input ends with this process."""
    address = importlib.import_module("ray.util").get_node_ip_address()
    words = [address if word == "ADDRESS" else word for word in command]
    return subprocess.Popen(words, stdin=subprocess.PIPE).wait()


def main(settings: Mapping[str, Any]) -> int:
    """Start the instances, and wait for them; return the exit code of the first one."""
    ray = importlib.import_module("ray")
    groups = importlib.import_module("ray.util.placement_group")
    strategies = importlib.import_module("ray.util.scheduling_strategies")
    ray.init(log_to_driver=False, logging_level="ERROR")
    resources, count = settings["resources"], settings["instances"]
    group = groups.placement_group([resources] * count, strategy="STRICT_SPREAD")
    while not group.wait(_GROUP_SECONDS):
        pass
    own = {_OPTIONS[name]: value for name, value in resources.items()}
    remote = ray.remote(run_instance)
    running = {}
    for number in range(count):
        strategy = strategies.PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=number)
        task = remote.options(max_retries=0, scheduling_strategy=strategy, **{"num_cpus": 0, **own})
        running[task.remote(_instance_command(settings, "--apart-instance", number))] = number
    return _wait(ray, running, settings)


def _wait(ray: Any, running: dict[Any, int], settings: Mapping[str, Any]) -> int:
    first, seconds = 1, None
    while running:
        done, _ = ray.wait(list(running), num_returns=1, timeout=seconds)
        if not done:
            break
        number = running.pop(done[0])
        try:
            code = ray.get(done[0])
        except Exception as error:  # noqa: BLE001 - of whatever kind: the node is lost, or its process was killed
            sys.stderr.write(f"instance {number} was lost: {type(error).__name__}\n")
            code = 1
            subprocess.run(_instance_command(settings, "--end-instance", number), check=False)
        if number == 0:
            first, seconds = code, _LAST_SECONDS
    return first


def _instance_command(settings: Mapping[str, Any], option: str, number: int) -> list[str]:
    return [*settings["runner"], option, settings["launch"], str(number), "ADDRESS", "0", settings["spec"]]


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))

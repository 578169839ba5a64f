"""Prints what the Ray cluster of the run is, and on how many of its nodes tasks have run."""

import json
import os
import time

import ray

ray.init(logging_level="ERROR", log_to_driver=False)


@ray.remote(num_cpus=1, scheduling_strategy="SPREAD")
def find_node() -> str:
    """Return the node that this runs on."""
    time.sleep(0.5)
    node: str = ray.get_runtime_context().get_node_id()
    return node


count, used = len(ray.nodes()), set()
deadline = time.monotonic() + 60
while len(used) < count and time.monotonic() < deadline:
    used |= set(ray.get([find_node.remote() for _ in range(count)]))
cpus = int(ray.cluster_resources()["CPU"])
address = os.environ["RAY_ADDRESS"]
print(json.dumps({"nodes": count, "used": len(used), "cpus": cpus, "address": address}), flush=True)

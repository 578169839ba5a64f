"""A parallel step on two nodes of a cluster by whole commands: partitions of files, and workers that are killed."""

from __future__ import annotations

import json

import pytest
from engine.test_ten_jobs import PROVIDERS
from workspaces import APPLY, commit, git

pytestmark = [pytest.mark.slow, pytest.mark.services]

PIPELINE = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
name: shops
type: pipeline
settings: {default_compute: azureml:cpu}
jobs:
  divide:
    type: command
    code: ../src
    environment: {image: "python:3.11"}
    command: python divide.py ${{outputs.sales}}
    outputs: {sales: {type: mltable}}
  add:
    type: parallel
    inputs:
      sales: {type: mltable, path: "${{parent.jobs.divide.outputs.sales}}", mode: ro_mount}
    outputs:
      totals: {type: uri_file}
    input_data: ${{inputs.sales}}
    partition_keys: [store]
    resources: {instance_count: 2}
    mini_batch_error_threshold: 0
    max_concurrency_per_instance: 1
    retry_settings: {max_retries: 0, timeout: 300}
    task:
      type: run_function
      code: ../src
      entry_script: add.py
      environment: {image: "python:3.11"}
      append_row_to: ${{outputs.totals}}
"""
DIVIDE = """
import pathlib, sys

folder = pathlib.Path(sys.argv[1])
for number in range(40):
    file = folder / f"{number % 20:02d}" / f"{number}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(str(number))
(folder / "MLTable").write_text(
    "paths: [{pattern: ./*/*.txt}]\\n"
    "transformations:\\n"
    "  - extract_columns_from_partition_format: {partition_format: '{store}/{name}.txt'}\\n"
)
"""
# Workers wait in their first mini-batch until both nodes have one. One call in ten ends with its worker, once.
ADD = """
import os, pathlib, signal, time

RANK = os.environ["AZUREML_CR_NODE_RANK"]

def run(mini_batch, mini_batch_context):
    store = mini_batch_context.partition_key_value["store"]
    pathlib.Path("node-" + RANK).touch()
    while not all(pathlib.Path("node-" + rank).exists() for rank in "01"):
        time.sleep(0.1)
    mark = pathlib.Path("mark-" + store)
    if store.endswith("3") and not mark.exists():
        mark.touch()
        print("killed on", RANK, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return [f"{store} {sum(int(pathlib.Path(file).read_text()) for file in mini_batch)} {RANK}"]
"""


@pytest.fixture(params=["slurm", "ray"])
def folder(request, tmp_path, tmp_path_factory):
    """A workspace, which the nodes do not see, with its compute on a cluster of two nodes."""
    root = tmp_path / "shops"
    root.mkdir()
    provider = PROVIDERS[request.param](request, root, tmp_path_factory.mktemp("disk") / "mlgit")
    own = {"partition": "both"} if request.param == "slurm" else {}
    config = {
        "state": {"name": "shops", "lineage": f"{7:032x}"},
        "store": {"path": ".mlgit/store"},
        "backends": {"cluster": {**provider.backend, **own}},
        "compute": {"*": "cluster"},
        "assets": {"include": [{"glob": "jobs/*.yml"}]},
    }
    if provider.secret:
        pointer, value = provider.secret
        (root / ".secrets").mkdir(mode=0o700)
        (root / ".secrets" / "one").write_text(value)
        (root / ".secrets" / "one").chmod(0o600)
        secret = {"from": "file:.secrets/one", "for": ["backend/cluster"], "fields": [pointer]}
        config["secrets"] = {"one": secret}
    git(root, "init", "--quiet")
    files = {"jobs/shops.yml": PIPELINE, "src/divide.py": DIVIDE, "src/add.py": ADD}
    commit(root, "shops", {**files, ".gitignore": "/.mlgit/\n/.secrets/\n", "mlgit.yml": json.dumps(config, indent=2)})
    return root


def test_workers_of_both_nodes_share_the_partitions_and_none_is_lost_or_doubled(folder, mlgit, tmp_path):
    applied = mlgit(*APPLY, cwd=folder)
    log = mlgit("job", "logs", "shops/add", cwd=folder).out
    assert applied.code == 0, applied.out + applied.err + log
    assert mlgit("job", "download", "shops/add", str(tmp_path / "got"), cwd=folder).code == 0
    (path,) = (path for path in (tmp_path / "got").rglob("totals") if path.is_file())
    rows = [line.split() for line in path.read_text().splitlines()]
    assert [(store, total) for store, total, _ in rows] == [
        (f"{number:02d}", str(2 * number + 20)) for number in range(20)
    ]
    assert {rank for _, _, rank in rows} == {"0", "1"}
    assert "[instance 0] parallel: 40 files in 20 mini-batches, on 2 instances" in log
    assert log.count("was ended by SIGKILL; another one repeats it") == log.count("killed on") == 2
    shown = json.loads(mlgit("job", "show", "shops", "--format", "json", cwd=folder).out)
    (step,) = (item for item in shown["steps"] if item["step"] == "add")
    assert step["metrics"] == {"mini_batches": 20, "mini_batches_done": 20, "mini_batches_failed": 0}

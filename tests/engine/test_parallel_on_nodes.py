"""Parallel steps on two nodes of a cluster by whole commands: files, rows, partitions, and workers that are killed."""

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

# The rows of a table of three files: rows by their size, and partitions whose rows are in all files.
TABLE_PIPELINE = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
name: orders
type: pipeline
settings: {{default_compute: azureml:cpu}}
jobs:
  write:
    type: command
    code: ../src
    environment: {{image: "python:3.11"}}
    command: python write.py ${{{{outputs.orders}}}}
    outputs: {{orders: {{type: mltable}}}}
{steps}
"""
TABLE_STEP = """
  {name}:
    type: parallel
    inputs:
      orders: {{type: mltable, path: "${{{{parent.jobs.write.outputs.orders}}}}", mode: direct}}
    outputs:
      results: {{type: uri_file}}
    input_data: ${{{{inputs.orders}}}}
    {divided}
    resources: {{instance_count: 2}}
    mini_batch_error_threshold: 0
    max_concurrency_per_instance: 1
    retry_settings: {{max_retries: 0, timeout: 300}}
    task:
      type: run_function
      code: ../src
      entry_script: {script}
      environment:
        image: python:3.11
        conda_file: {{dependencies: ["python=3.11", {{pip: ["pandas==2.2.3"]}}]}}
      append_row_to: ${{{{outputs.results}}}}
"""
WRITE = """
import pathlib, sys

folder = pathlib.Path(sys.argv[1])
for part in range(3):
    numbers = range(200 * part, 200 * part + 200)
    rows = "".join(f"{number},s{number * 7 % 9}\\n" for number in numbers)
    (folder / f"{part}.csv").write_text("number,store\\n" + rows)
(folder / "MLTable").write_text(
    "paths: [{pattern: ./*.csv}]\\ntransformations: [{read_delimited: {delimiter: ','}}]\\n"
)
"""
WAIT = """
import os, pathlib, signal, time

RANK = os.environ["AZUREML_CR_NODE_RANK"]

def wait():
    pathlib.Path("node-" + RANK).touch()
    while not all(pathlib.Path("node-" + rank).exists() for rank in "01"):
        time.sleep(0.1)
"""
# The worker of one mini-batch is killed, once.
ROWS = """
from wait import *

def run(mini_batch):
    wait()
    mark = pathlib.Path("mark")
    if 400 in mini_batch.number.values and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return mini_batch.assign(rank=RANK)
"""
STORES = """
from wait import *

def run(mini_batch, mini_batch_context):
    wait()
    store = mini_batch_context.partition_key_value["store"]
    assert set(mini_batch.store) == {store}
    return [f"{store} {len(mini_batch)} {mini_batch.number.sum()} {RANK}"]
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
    commit(root, "shops", {".gitignore": "/.mlgit/\n/.secrets/\n", "mlgit.yml": json.dumps(config, indent=2)})
    return root


@pytest.fixture
def apply_step(folder, mlgit, tmp_path):
    """Apply a pipeline; return a function for the output and the log of a step and what is shown of it."""

    def apply(job, files):
        commit(folder, job, files)
        applied = mlgit(*APPLY, cwd=folder)

        def read(name):
            log = mlgit("job", "logs", f"{job}/{name}", cwd=folder).out
            assert applied.code == 0, applied.out + applied.err + log
            assert mlgit("job", "download", f"{job}/{name}", str(tmp_path / name), cwd=folder).code == 0
            (path,) = (path for path in (tmp_path / name).rglob("*") if path.is_file())
            shown = json.loads(mlgit("job", "show", job, "--format", "json", cwd=folder).out)
            (step,) = (item for item in shown["steps"] if item["step"] == name)
            return [line.split() for line in path.read_text().splitlines()], log, step

        return read

    return apply


def test_workers_of_both_nodes_share_the_partitions_and_none_is_lost_or_doubled(apply_step):
    files = {"jobs/shops.yml": PIPELINE, "src/divide.py": DIVIDE, "src/add.py": ADD}
    rows, log, step = apply_step("shops", files)("add")
    assert [(store, total) for store, total, _ in rows] == [
        (f"{number:02d}", str(2 * number + 20)) for number in range(20)
    ]
    assert {rank for _, _, rank in rows} == {"0", "1"}
    assert "[instance 0] parallel: 40 files in 20 mini-batches, on 2 instances" in log
    assert log.count("was ended by SIGKILL; another one repeats it") == log.count("killed on") == 2
    assert step["metrics"] == {"mini_batches": 20, "mini_batches_done": 20, "mini_batches_failed": 0}


def test_workers_of_both_nodes_share_the_rows_of_a_table_and_its_partitions_of_rows(apply_step):
    steps = [
        TABLE_STEP.format(name="rows", divided='mini_batch_size: "200"', script="rows.py"),
        TABLE_STEP.format(name="stores", divided="partition_keys: [store]", script="stores.py"),
    ]
    scripts = {"write": WRITE, "wait": WAIT, "rows": ROWS, "stores": STORES}
    read = apply_step(
        "orders",
        {"jobs/orders.yml": TABLE_PIPELINE.format(steps="".join(steps))}
        | {f"src/{name}.py": text for name, text in scripts.items()},
    )
    rows, log, step = read("rows")
    assert [(number, store) for number, store, _ in rows] == [
        (str(number), f"s{number * 7 % 9}") for number in range(600)
    ]
    assert {rank for _, _, rank in rows} == {"0", "1"}
    assert log.count("was ended by SIGKILL; another one repeats it") == 1
    assert step["metrics"]["mini_batches_failed"] == 0
    partitions, log, _ = read("stores")
    sold = {store: [number for number in range(600) if number * 7 % 9 == store] for store in range(9)}
    expected = [(f"s{store}", str(len(sold[store])), str(sum(sold[store]))) for store in (n * 7 % 9 for n in range(9))]
    assert [(store, count, total) for store, count, total, _ in partitions] == expected
    assert {rank for *_, rank in partitions} == {"0", "1"}
    assert "[instance 0] parallel: 600 rows in 9 mini-batches, on 2 instances" in log

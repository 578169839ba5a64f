"""Every field that the backend `local` and the builder `venv` honour has an effect: two values of it, two outcomes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from honoured import HONOURED
from services.open_mpi import find_missing
from workspaces import SMALL, commit, git

from reconciler.backends import BACKENDS
from reconciler.builders import BUILDERS

pytestmark = pytest.mark.slow

SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/{}.schema.json\n"
OBSERVE = """
import json, os, pathlib, stat, sys
said, literal, value, typed, path, mode, direct, output = sys.argv[1:]
typed, mode, output = map(pathlib.Path, (typed, mode, output))
print(json.dumps({
    "/command": said,
    "/code": pathlib.Path("which.txt").read_text(),
    "/environment": os.environ["GREETING"],
    "/environment_variables": os.environ["LEVEL"],
    "/inputs/*": literal,
    "/inputs/*/value": value,
    "/inputs/*/type": typed.is_dir(),
    "/inputs/*/path": pathlib.Path(path).read_text(),
    "/inputs/*/mode": bool(mode.stat().st_mode & stat.S_IWUSR),
    "direct": direct,
    "/outputs/*/type": output.is_dir(),
}))
(output if not output.is_dir() else output / "file").write_text("1")
"""
JOB = (
    SCHEMA.format("commandJob")
    + """
name: {name}
command: >-
  python observe.py {name} ${{{{inputs.literal}}}} ${{{{inputs.value}}}} ${{{{inputs.typed}}}} ${{{{inputs.path}}}}
  ${{{{inputs.mode}}}} ${{{{inputs.direct}}}} ${{{{outputs.output}}}}
code: ../src-{name}
environment: azureml:{name}@latest
environment_variables: {{LEVEL: {name}}}
compute: {compute}
resources: {{instance_count: 1}}
inputs:
  literal: {name}
  value: {{value: {name}}}
  typed: {{type: {type}, path: ../folder}}
  path: {{type: uri_file, path: ../{name}.txt}}
  mode: {{type: uri_file, path: ../a.txt, mode: {mode}}}
  direct: {{type: uri_file, path: "https://example.org/{name}", mode: direct}}
outputs:
  output: {{type: {type}, path: "azureml://datastores/${{{{default_datastore}}}}/paths/{name}/${{{{output_name}}}}"}}
"""
)
SLEEPER = SCHEMA.format("commandJob") + (
    "name: {name}\ncommand: sleep {seconds}\nenvironment: azureml:a@latest\ncompute: local\nlimits: {{timeout: 3}}\n"
)
BY_ITSELF = SCHEMA.format("commandJob") + (
    "name: by-itself\ncommand: echo 1 > ${{outputs.kept}}; test ${{outputs.far}} = azureml://datastores/lake/paths/far\n"
    "environment: azureml:a@latest\ncompute: local\noutputs:\n  kept: {type: uri_file, mode: Upload}\n"
    "  far: {type: uri_folder, mode: Direct, path: azureml://datastores/lake/paths/far}\n"
)
DISTRIBUTED = SCHEMA.format("commandJob") + (
    "name: {name}\ncommand: {command}\nenvironment: azureml:a@latest\ncompute: azureml:nodes\n"
    "distribution: {distribution}\nresources: {{instance_count: {instances}}}\n"
)
BATCHES = SCHEMA.format("pipelineJob") + (
    "name: batches\ntype: pipeline\njobs:\n  b:\n    type: parallel\n    compute: azureml:nodes\n"
    "    resources: {instance_count: 2}\n    inputs: {pair: {type: uri_folder, path: ../pair}}\n"
    "    input_data: ${{inputs.pair}}\n    max_concurrency_per_instance: 1\n"
    "    task: {type: run_function, code: ../src-pair, entry_script: pair.py, environment: azureml:a@latest}\n"
)
ON_CLUSTER = SCHEMA.format("commandJob") + (
    "name: {cluster}-{number}\ncommand: sleep {seconds}; echo {number}\nenvironment: azureml:a@latest\n"
    "compute: azureml:{cluster}\n"
)
CLUSTERS = {"narrow": (1, 1), "wide": (2, 5)}  # instances, and the seconds of its jobs
ENVIRONMENT = (
    SCHEMA.format("environment") + "name: {name}\nimage: python\nos_type: {os_type}\nconda_file: {conda_file}\n"
)
CONDA = "{{dependencies: [python>=3.11], variables: {{GREETING: {name}}}}}"
FILES = {
    "mlgit.yml": """
        state: {name: small, lineage: "11111111111111111111111111111111"}
        store: {path: .mlgit/store}
        limits: {submit: 20}
        backends: {local: {type: local}, second: {type: local}}
        compute: {"*": local, other: second}
        datastores: {lake: {type: local, path: ../lake}}
        """,
    ".gitignore": SMALL[".gitignore"],
    "compute/other.yml": "name: other\ntype: amlcompute\n",
    # Of its own: a run of two instances that waits keeps later ones from the slots of its compute.
    "compute/nodes.yml": "name: nodes\ntype: amlcompute\nmax_instances: 2\n",
    "folder/only.txt": "1",
    **{f"{name}.txt": name for name in "ab"},
    **{f"src-{name}/which.txt": name for name in "ab"},
    **{f"src-{name}/observe.py": OBSERVE for name in "ab"},
    "jobs/batches.yml": BATCHES,
    **{f"pair/{name}.txt": name for name in "ab"},
    "src-pair/pair.py": "def init():\n    print('begun')\n\ndef run(mini_batch):\n    return mini_batch\n",
    "environments/a.yml": ENVIRONMENT.format(name="a", os_type="linux", conda_file="conda.yml"),
    "environments/conda.yml": CONDA.format(name="a"),
    "environments/b.yml": ENVIRONMENT.format(name="b", os_type="Linux", conda_file=CONDA.format(name="b")),
    "environments/other-python.yml": ENVIRONMENT.format(
        name="other-python", os_type="linux", conda_file="{dependencies: [python=3.99]}"
    ),
    "environments/windows.yml": ENVIRONMENT.format(
        name="windows", os_type="windows", conda_file=CONDA.format(name="windows")
    ),
    "jobs/a.yml": JOB.format(name="a", compute="local", type="URI_File", mode="RO_Mount"),  # case does not count
    "jobs/b.yml": JOB.format(name="b", compute="azureml:other", type="uri_folder", mode="download"),
    "jobs/by-itself.yml": BY_ITSELF,
    "jobs/too-long.yml": SLEEPER.format(name="too-long", seconds=60),
    "jobs/short.yml": SLEEPER.format(name="short", seconds=0),
    **{
        f"jobs/{name}.yml": DISTRIBUTED.format(
            name=name, command=command, distribution=distribution, instances=instances
        )
        for name, (command, distribution, instances) in {
            "torch": ("echo $WORLD_SIZE", "{type: PyTorch, process_count_per_instance: 3}", 1),
            "torches": ("echo $WORLD_SIZE", "{type: PyTorch, process_count_per_instance: 2}", 2),
            "flow": ("echo $TF_CONFIG", "{type: tensorflow, worker_count: 2, parameter_server_count: 1}", 1),
            "flows": ("echo $AZUREML_NODE_COUNT", "{type: TensorFlow}", 2),
            "mpis": ("echo $OMPI_COMM_WORLD_SIZE", "{type: MPI, process_count_per_instance: 2}", 2),
            "mpi": ("echo $OMPI_COMM_WORLD_SIZE", "{type: mpi, process_count_per_instance: 1}", 1),
        }.items()
    },
    **{
        f"compute/{name}.yml": f"name: {name}\ntype: amlcompute\nmax_instances: {instances}\n"
        for name, (instances, _) in CLUSTERS.items()
    },
    **{
        f"jobs/{name}-{number}.yml": ON_CLUSTER.format(cluster=name, number=number, seconds=seconds)
        for name, (_, seconds) in CLUSTERS.items()
        for number in (1, 2)
    },
}


@dataclass(frozen=True)
class Outcome:
    """What an apply printed, the lines that the jobs `a` and `b` printed, the runs by job, and logs by job."""

    printed: str
    observed: Mapping[str, Mapping[str, Any]]
    runs: Mapping[str, Mapping[str, Any]]
    logs: Mapping[str, str]

    def pair(self, name: str) -> tuple[Any, Any]:
        """Return what the jobs `a` and `b` observed of a field."""
        return self.observed["a"][name], self.observed["b"][name]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Apply two jobs that differ in every field, and what shows the others."""
    folder: Path = tmp_path_factory.mktemp("honoured")
    git(folder, "init", "--quiet")
    commit(folder, "start", FILES)

    def run(*command: str) -> str:
        process = [sys.executable, "-m", "reconciler", *command]
        ended = subprocess.run(process, cwd=folder, capture_output=True, text=True, check=False)
        return ended.stdout + ended.stderr

    printed = run("apply", "--auto-approve", "--wait", "--allow-submit", "20")
    observed = {name: json.loads(run("job", "logs", name).splitlines()[-1]) for name in "ab"}
    runs = {run["job"]: run for run in json.loads(run("job", "list", "--format", "json"))}
    names = ("torch", "torches", "flow", "flows", "mpi", "mpis", "batches/b")
    logs = {name: run("job", "logs", name) for name in names}
    return Outcome(printed, observed, runs, logs)


def overlap(outcome: Outcome, cluster: str) -> bool:
    """Return True if the two jobs on a cluster ran at the same time."""
    first, second = (outcome.runs[f"job/{cluster}-{number}"] for number in (1, 2))
    return bool(first["started_at"] < second["ended_at"] and second["started_at"] < first["ended_at"])


def differs(name: str) -> Callable[[Outcome], bool]:
    """Return a check that the jobs observed two values of a field."""

    def check(outcome: Outcome) -> bool:
        first, second = outcome.pair(name)
        return bool(first != second)

    return check


def are_ranks_of_mpi(outcome: Outcome) -> bool:
    """Return True if the job of two instances has two processes for each, or says that there is no mpirun."""
    if find_missing():
        return outcome.runs["job/mpis"]["status"] == "failed"
    return sorted(outcome.logs["mpis"].splitlines()[-4:]) == [f"[rank {rank}] 4" for rank in range(4)]


CASES: Mapping[str, Mapping[str, Callable[[Outcome], bool]]] = {
    "job": {
        **{
            pointer: differs(pointer)
            for pointer in (
                *("/command", "/code", "/environment", "/environment_variables"),
                *("/inputs/*", "/inputs/*/value", "/inputs/*/type", "/inputs/*/path", "/outputs/*/type"),
            )
        },
        "/inputs/*/mode": lambda outcome: (
            outcome.pair("/inputs/*/mode") == (False, True)
            and outcome.pair("direct") == ("https://example.org/a", "https://example.org/b")
        ),
        "/outputs/*/path": lambda outcome: (
            [outcome.runs[f"job/{name}"]["outputs"]["output"]["path"] for name in "ab"]
            == [f"azureml://datastores/workspaceblobstore/paths/{name}/output" for name in "ab"]
        ),
        "/outputs/*/mode": lambda outcome: (
            outcome.runs["job/by-itself"]["status"] == "completed"
            and ("kept" in outcome.runs["job/by-itself"]["outputs"])
            and ("far" not in outcome.runs["job/by-itself"]["outputs"])
        ),
        "/compute": lambda outcome: (
            (outcome.runs["job/a"]["backend"], outcome.runs["job/b"]["backend"]) == ("local", "second")
        ),
        "/limits/timeout": lambda outcome: (
            (outcome.runs["job/too-long"]["failure"], outcome.runs["job/short"]["status"]) == ("timeout", "completed")
        ),
        "/resources/instance_count": lambda outcome: len(outcome.runs) == 16,  # of one machine each
        "/resources/instance_count of pytorch": lambda outcome: (
            sorted(outcome.logs["torches"].splitlines()[-4:]) == [f"[rank {rank}] 4" for rank in range(4)]
        ),
        "/resources/instance_count of tensorflow": lambda outcome: (
            sorted(outcome.logs["flows"].splitlines()[-2:]) == [f"[worker {index}] 2" for index in range(2)]
        ),
        "/resources/instance_count of mpi": are_ranks_of_mpi,
        "/resources/instance_count of parallel": lambda outcome: (
            {f"[instance {number}] begun" for number in range(2)} <= {*outcome.logs["batches/b"].splitlines()}
        ),
        "/distribution/type": lambda outcome: (
            outcome.logs["mpi"].endswith("1\n") and '"worker": ["127.0.0.1:' in outcome.logs["flow"].replace("\\", "")
        ),
        "/distribution/process_count_per_instance of pytorch": lambda outcome: (
            sorted(outcome.logs["torch"].splitlines()[-3:]) == [f"[rank {rank}] 3" for rank in range(3)]
        ),
        "/distribution/process_count_per_instance of mpi": are_ranks_of_mpi,
        "/distribution/worker_count": lambda outcome: (
            {"[worker 0] ", "[worker 1] "} <= {line[:11] for line in outcome.logs["flow"].splitlines()}
        ),
        "/distribution/parameter_server_count": lambda outcome: '"ps": ["127.0.0.1:' in outcome.logs["flow"],
    },
    "compute": {
        "/max_instances": lambda outcome: (overlap(outcome, "narrow"), overlap(outcome, "wide")) == (False, True),
    },
    "environment": {
        "/conda_file": lambda outcome: outcome.pair("/environment") == ("a", "b"),  # in a file, and in the asset
        "/conda_file/variables": lambda outcome: outcome.pair("/environment") == ("a", "b"),
        "/conda_file/dependencies": lambda outcome: (
            "environment/other-python: there is no Python 3.99" in outcome.printed
        ),
        "/os_type": lambda outcome: (
            "environment/windows: the venv builder does not support os_type: windows" in outcome.printed
            and "environment/b: version 1" in outcome.printed
        ),
    },
}


SHOWN_WITH_RAY = {  # by tests/engine/test_ray_distribution.py
    "/resources/instance_count of ray",
    "/distribution/type of ray",
    *(f"/distribution/{name}" for name in ("port", "include_dashboard", "dashboard_port")),
    *(f"/distribution/{name}_node_additional_args" for name in ("head", "worker")),
}


@pytest.mark.parametrize(("kind", "pointer"), [(kind, pointer) for kind, cases in CASES.items() for pointer in cases])
def test_what_a_provider_honours_has_an_effect(outcome, kind, pointer):
    assert CASES[kind][pointer](outcome), outcome


def test_every_field_that_a_provider_honours_has_a_case():
    tables = (BACKENDS.load("local").support, BUILDERS.load("venv").support)
    honoured = {
        kind: {f"{entry.pointer}{f' of {entry.when.value}' if entry.when else ''}": entry.values for entry in entries}
        for table in tables
        for kind, entries in table.honoured.items()
    }
    assert honoured == HONOURED
    shown = {kind: set(cases) for kind, cases in CASES.items()}
    shown["job"] |= SHOWN_WITH_RAY
    assert shown == {kind: set(names) for kind, names in HONOURED.items()}

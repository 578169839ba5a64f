"""Ten jobs by whole commands, with their compute bound to one backend after the other: the same files, the same record.

The nodes of ssh, Slurm and Ray see neither the workspace nor the checkout. The instances of the job with ranks are two
nodes of Slurm and of Ray, and processes of one machine elsewhere. What is compared is what `job show`, `job
metrics`, `job logs` and `lineage` say, without times, places of files, and what says on which backend a run was.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import Mlgit
from services.docker import DockerEngine
from services.ray_cluster import RayCluster
from services.slurm import SlurmCluster
from services.ssh_node import PYTHON, SshNode
from workspaces import APPLY, commit, git, write

pytestmark = [pytest.mark.slow, pytest.mark.services]
FILES = Path(__file__).parent / "ten_jobs"
STATUSES = {
    **dict.fromkeys(("sum", "folder", "lines", "flow", "tune", "score", "ranks", "metrics"), ("completed", None)),
    "fails": ("failed", "user"),
    "slow": ("failed", "timeout"),
}
STEPS = ("first", "second", "third", "fourth", "fifth")  # of the pipeline, and the computes that they are on
BACKENDS = ("local", "docker", "ssh", "slurm", "ray")
COMMANDS = (
    *(("job", "show", name) for name in STATUSES),
    *(("job", "metrics", name) for name in ("metrics", "tune/sweep")),
    *(("job", "logs", name) for name in ("sum", "slow", "ranks", "tune/sweep")),
    *(("lineage", address) for address in ("data/lines", "data/numbers")),
)
# Which build an environment is, which differs between images and folders.
BUILD = ("builder", "platform", "identity")
# When and where a run was; its commit, since each workspace has a mlgit.yml of its own.
PLACE = (
    *("commit", "submitted_at", "started_at", "ended_at", "duration_seconds", "timestamp"),
    *("backend", "log", "output_folder"),
)


class Provider(NamedTuple):
    """What mlgit.yml says of a backend, and the value of a secret of it with its pointer."""

    backend: Mapping[str, Any]
    builder: Mapping[str, Any] | None = None
    secret: tuple[str, str] | None = None


Make = Callable[[Mapping[str, str]], Path]


def get_local(_request: pytest.FixtureRequest, _folder: Path, _disk: Path) -> Provider:
    return Provider({"type": "local", "slots": 3})


def get_docker(request: pytest.FixtureRequest, _folder: Path, _disk: Path) -> Provider:
    engine: DockerEngine = request.getfixturevalue("docker_host")
    address = {"type": "docker", "engine": engine.url}
    return Provider({**address, "slots": 3}, address)


def get_ssh(request: pytest.FixtureRequest, folder: Path, disk: Path) -> Provider:
    node: SshNode = request.getfixturevalue("ssh_node")
    node.hide(folder)
    where = {"machine": "127.0.0.1", "port": node.port, "user": node.user, "host_key": node.public("host").strip()}
    own = {"folder": str(disk), "python": PYTHON, "slots": 3}
    return Provider({"type": "ssh", **where, **own}, secret=("/private_key", node.key("client")))


def get_slurm(request: pytest.FixtureRequest, folder: Path, disk: Path) -> Provider:
    cluster: SlurmCluster = request.getfixturevalue("slurm")
    cluster.hide(folder)
    return Provider({"type": "slurm", "folder": str(disk), "python": PYTHON, "partition": "both"})


def get_ray(request: pytest.FixtureRequest, folder: Path, disk: Path) -> Provider:
    cluster: RayCluster = request.getfixturevalue("ray_cluster")
    cluster.hide(folder)
    own = {"address": cluster.address, "folder": str(disk), "python": PYTHON}
    return Provider({"type": "ray", **own}, secret=("/token", cluster.token))


PROVIDERS = {"local": get_local, "docker": get_docker, "ssh": get_ssh, "slurm": get_slurm, "ray": get_ray}


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    """The record of the backend local, for all tests of this file, once there is one."""
    return {}


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return a function that makes the workspace with its computes bound to backends."""

    def make(compute: Mapping[str, str]) -> Path:
        folder = tmp_path_factory.mktemp("ten") / "jobs"
        shutil.copytree(FILES, folder)
        names = dict.fromkeys(compute.values())
        providers = {
            name: PROVIDERS[name](request, folder, tmp_path_factory.mktemp("disk") / "mlgit") for name in names
        }
        secrets = {name: provider.secret for name, provider in providers.items() if provider.secret}
        config = {
            # A token follows from the lineage: what is on several backends does not have those of what is on one.
            "state": {"name": "ten", "lineage": f"{len(names):032x}"},
            "store": {"path": ".mlgit/store"},
            "builders": {"venv": {"type": "venv"}}
            | {name: provider.builder for name, provider in providers.items() if provider.builder},
            "backends": {name: provider.backend for name, provider in providers.items()},
            "compute": compute,
            "secrets": {
                f"of-{name}": {"from": f"file:.secrets/{name}", "for": [f"backend/{name}"], "fields": [pointer]}
                for name, (pointer, _) in secrets.items()
            },
        }
        write(folder, {f".secrets/{name}": value for name, (_, value) in secrets.items()})
        git(folder, "init", "--quiet")
        commit(folder, "jobs", {".gitignore": "/.mlgit/\n/.secrets/\n", "mlgit.yml": json.dumps(config, indent=2)})
        return folder

    return make


def read_record(mlgit: Mlgit, folder: Path, commands: Iterable[tuple[str, ...]] = COMMANDS) -> dict[str, Any]:
    """Return what mlgit says of the jobs, by the command."""
    record: dict[str, Any] = {}
    for command in commands:
        form = () if "logs" in command else ("--format", "json")
        ended = mlgit(*command, *form, cwd=folder)
        assert ended.code == 0, ended.out + ended.err
        record[" ".join(command)] = json.loads(ended.out) if form else sorted(ended.out.splitlines())
    return record


def leave_out(value: Any, names: tuple[str, ...]) -> Any:
    """Return a document without some of its keys, and without times in its texts."""
    if isinstance(value, str):
        return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z|commit [0-9a-f]{10}", "...", value)
    if isinstance(value, list):
        return [leave_out(item, names) for item in value]
    if isinstance(value, dict):
        return {key: leave_out(item, names) for key, item in value.items() if key not in names}
    return value


def without_tokens(value: Any) -> Any:
    """Return a document without the part of the names of runs that follows from their tokens."""
    return json.loads(re.sub(r'-[0-9a-f]{8}(?=[_"])', "-########", json.dumps(value)))


def count_runners(run: Mapping[str, Any]) -> int:
    """Return on how many nodes a run had a runner, by what each one has left in its folder."""
    folder = Path(run["log"]).parent.parent
    return sum(1 for _ in folder.glob("instances/*/*/start.json")) + sum(
        1 for _ in folder.glob("instances/*/plan.json")
    )


def apply(mlgit: Mlgit, folder: Path) -> None:
    """Apply until all jobs have ended; two of them fail."""
    ended = mlgit(*APPLY, cwd=folder)
    assert "recorded 10 runs, 2 failed" in ended.out, ended.out + ended.err


@pytest.fixture
def on_local(recorded: dict[str, Any], make: Make, mlgit: Mlgit) -> dict[str, Any]:
    """What is recorded of the jobs on the backend local."""
    if not recorded:
        folder = make({"*": "local"})
        apply(mlgit, folder)
        recorded.update(read_record(mlgit, folder))
    return recorded


def test_the_jobs_end_on_this_machine_as_they_are_to_end(on_local: dict[str, Any]) -> None:
    runs = {name: on_local[f"job show {name}"] for name in STATUSES}
    assert {name: (run["status"], run.get("failure")) for name, run in runs.items()} == STATUSES


@pytest.mark.parametrize("name", [name for name in BACKENDS if name != "local"])
def test_the_jobs_have_the_same_record_on_every_backend(
    on_local: dict[str, Any], make: Make, mlgit: Mlgit, name: str
) -> None:
    folder = make({"*": name})
    apply(mlgit, folder)
    left_out = (*PLACE, *BUILD) if name == "docker" else PLACE
    record = read_record(mlgit, folder)
    assert {run["backend"] for run in record["job show flow"]["steps"]} == {name}
    if name in {"slurm", "ray"}:
        assert count_runners(record["job show ranks"]) == 2
    assert leave_out(record, left_out) == leave_out(on_local, left_out)


def test_a_pipeline_with_a_step_on_each_backend_has_the_record_of_one_on_this_machine(
    on_local: dict[str, Any], make: Make, mlgit: Mlgit
) -> None:
    folder = make(dict(zip(STEPS, BACKENDS, strict=True)) | {"*": "local"})
    ended = mlgit(*APPLY, "--select", "job/flow", cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    record = read_record(mlgit, folder, [("job", "show", "flow")])["job show flow"]
    assert [step["backend"] for step in record["steps"]] == list(BACKENDS)
    names = (*PLACE, *BUILD)
    expected = leave_out(on_local["job show flow"], names)
    assert without_tokens(leave_out(record, names)) == without_tokens(expected)

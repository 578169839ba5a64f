"""What environments cost: a cache hit in an apply, a cold build, a plan of many, a job in a container.

    python benchmarks/environments.py [--environments 500] [--rounds 5] [--quick] [--part cold]

Measured beside the peer, in turn, medians of rounds:

- ``hit``: an apply that builds an environment which this machine has, against the same apply without an environment;
- ``cold``: scikit-learn, pandas and mlflow-skinny built by the builder `venv` from a lock, against bare ``uv venv`` and
  ``uv pip install`` of the same lock; both with the packages in the cache of uv and no environment;
- ``plan``: a plan of N environments that are applied, where nothing changed;
- ``container``: a job of the backend `docker` against bare ``docker run`` of the same image. With --image, which is to
  have a Python, on the engine of DOCKER_HOST; without it on one that the tests start, as root or with sudo, which needs
  docker.io, iptables, docker-registry and busybox-static.

The last line is one JSON object: seconds, and the ratio or the difference that the limit is on.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import uv

PACKAGES = ("scikit-learn", "pandas", "mlflow-skinny")
SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/{}.schema.json\n"
LINEAGE = "1" * 32
CONFIG = f"state: {{name: bench, lineage: '{LINEAGE}'}}\nstore: {{path: .mlgit/store}}\n"
MLGIT = (sys.executable, "-m", "reconciler")


def timed(action: Callable[[], object]) -> float:
    """Return how long something took."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def run(*words: str, folder: Path, stdin: str = "") -> str:
    """Run a command; return its output, or end the benchmark with its error."""
    ended = subprocess.run(words, cwd=folder, input=stdin, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(words)}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def make_workspace(folder: Path, files: dict[str, str]) -> Path:
    """Write a workspace and commit it."""
    for name, text in {"mlgit.yml": CONFIG, ".gitignore": ".mlgit/\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    run("git", "init", "--quiet", folder=folder)
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    run("git", "add", "-A", folder=folder)
    run("git", "-c", "user.name=b", "-c", "user.email=b@example.com", "commit", "-qm", "b", folder=folder)


def environment(name: str, *packages: str) -> str:
    """Return the file of an environment."""
    conda_file = {"dependencies": ["python>=3.11", {"pip": [*packages]}]}
    return f"{SCHEMA.format('environment')}name: {name}\nimage: python\nconda_file: {json.dumps(conda_file)}\n"


def measure_hit(scratch: Path, rounds: int) -> dict[str, float]:
    """Return how much longer an apply takes with an environment that is built already."""
    with_hit, without = [], []
    data = f"{SCHEMA.format('data')}name: d\ntype: uri_file\npath: d.csv\n"
    base = {"data.yml": data, "d.csv": "1\n"}
    for index in range(rounds + 1):  # the first builds it
        for figures, files in ((with_hit, base | {"e.yml": environment("e", "six==1.17.0")}), (without, base)):
            folder = make_workspace(scratch / f"hit-{index}-{len(files)}", files)
            figures.append(timed(lambda where=folder: run(*MLGIT, "apply", "--auto-approve", folder=where)))
    hit, bare = statistics.median(with_hit[1:]), statistics.median(without[1:])
    return {"apply_with_hit_s": hit, "apply_without_s": bare, "hit_adds_s": hit - bare}


def measure_cold(scratch: Path, rounds: int) -> dict[str, float]:
    """Return how long a build from a lock takes, beside uv alone with the same lock and the same cache."""
    pins = "\n".join(PACKAGES)
    wheels = ("--only-binary", ":all:")
    lock = run(
        uv.find_uv_bin(), "pip", "compile", "-", "--python", sys.executable, "--generate-hashes",
        "--no-header", "--no-annotate", *wheels, folder=scratch, stdin=pins,
    )  # fmt: skip
    own, bare = [], []
    for index in range(rounds + 1):  # the first fills the cache of uv
        bare.append(timed(lambda index=index: install_bare(scratch, lock, index)))
        own.append(timed(lambda index=index: install_by_builder(scratch, lock, index)))
    built, peer = statistics.median(own[1:]), statistics.median(bare[1:])
    return {"venv_cold_s": built, "uv_cold_s": peer, "cold_ratio": built / peer}


def install_bare(scratch: Path, lock: str, index: int) -> None:
    """Install a lock as `uv` alone does it."""
    prefix = scratch / f"bare-{index}"
    run(uv.find_uv_bin(), "venv", "--no-project", "--python", sys.executable, str(prefix), folder=scratch)
    python = str(prefix / "bin/python")
    (scratch / "lock.txt").write_text(lock, "utf-8")
    options = ("--python", python, "--require-hashes", "--compile-bytecode", "--only-binary", ":all:")
    run(uv.find_uv_bin(), "pip", "install", "-r", "lock.txt", *options, folder=scratch)


def install_by_builder(scratch: Path, lock: str, index: int) -> None:
    """Install the same lock with the builder `venv`, in a process of its own."""
    code = (
        "import sys, pathlib; from reconciler.builders import load_builder;"
        "b = load_builder({'type': 'venv'}, pathlib.Path(sys.argv[1]));"
        "s = {'image': 'python', 'conda_file': {'dependencies': ['python>=3.11', {'pip': sys.argv[2].split()}]}};"
        "b.build(b.plan('environment/b', 'f' * 40, s, sys.stdin.read()), None, lambda t: None)"
    )
    root = str(scratch / f"own-{index}")
    run(sys.executable, "-c", code, root, " ".join(PACKAGES), folder=scratch, stdin=lock)


def measure_plan(scratch: Path, number: int, rounds: int) -> dict[str, float]:
    """Return how long a plan of many environments takes where nothing changed."""
    files = {f"environments/e{index}.yml": environment(f"e{index}") for index in range(number)}
    folder = make_workspace(scratch / "many", files)
    run(*MLGIT, "apply", "--auto-approve", folder=folder)
    run(*MLGIT, "plan", folder=folder)
    warm = [timed(lambda: run(*MLGIT, "plan", folder=folder)) for _ in range(rounds)]
    start = [timed(lambda: run(sys.executable, "-c", "import click", folder=folder)) for _ in range(rounds)]
    return {"environments": number, "plan_warm_s": statistics.median(warm), "python_s": statistics.median(start)}


def measure_container(scratch: Path, image: str, rounds: int) -> dict[str, float]:
    """Return how much longer a job takes in a container than bare `docker run`."""
    config = CONFIG + 'builders: {docker: {type: docker}}\nbackends: {docker: {type: docker}}\ncompute: {"*": docker}\n'
    job = f"{SCHEMA.format('commandJob')}type: command\ncommand: 'true'\nenvironment: {{image: '{image}'}}\n"
    folder = make_workspace(scratch / "container", {"mlgit.yml": config, "job.yml": job})
    run(*MLGIT, "run", "job.yml", "--again", folder=folder)
    seconds, bare = [], []
    for _ in range(rounds):
        ended = json.loads(run(*MLGIT, "run", "job.yml", "--again", "--format", "json", folder=folder))
        submitted, end = (datetime.fromisoformat(ended[name]) for name in ("submitted_at", "ended_at"))
        seconds.append((end - submitted).total_seconds())
        bare.append(timed(lambda: run("docker", "run", "--rm", image, "true", folder=folder)))
    job_s, peer = statistics.median(seconds), statistics.median(bare)
    return {"container_job_s": job_s, "docker_run_s": peer, "container_adds_s": job_s - peer}


def measure_container_on_own_engine(scratch: Path, rounds: int) -> dict[str, float]:
    """Return the same on an engine of the tests, with their base image; nothing where it cannot be started."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    service = importlib.import_module("services.docker")
    if service.MISSING:
        print(f"container: not measured: {service.MISSING}", file=sys.stderr)
        return {}
    with service.DockerEngine(scratch / "engine") as engine:
        service.import_base(engine)
        os.environ |= engine.environment
        return measure_container(scratch, service.BASE, rounds)


def main() -> None:
    """Measure, and print what each costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--image", default="")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--part", choices=("hit", "cold", "plan", "container"), action="append", help="all by default")
    options = parser.parse_args()
    number, rounds = (20, 1) if options.quick else (options.environments, options.rounds)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        os.environ["MLGIT_CACHE_DIR"] = str(scratch / "cache")
        parts: dict[str, Callable[[], dict[str, float]]] = {
            "hit": lambda: measure_hit(scratch, rounds),
            "cold": lambda: measure_cold(scratch, rounds),
            "plan": lambda: measure_plan(scratch, number, rounds),
            "container": lambda: (
                measure_container(scratch, options.image, rounds)
                if options.image
                else measure_container_on_own_engine(scratch, rounds)
            ),
        }
        for name in options.part or parts:
            figures |= parts[name]()
    print(json.dumps({name: round(figure, 3) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()

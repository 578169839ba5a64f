"""The cost of the live state: its size for a fresh clone after many applies, and its pushes for many assets.

    python benchmarks/state.py [--applies 5000] [--assets 10000]

Each apply is one write as an apply makes it: a version of an asset, its current record, a run with its metrics. The
clone fetches all of that from a bare repository that was never packed. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from reconciler.git.repository import open_repository
from reconciler.model import Address, Record, Run, RunStatus
from reconciler.state.store import StateStore, WriteBatch

LINEAGE = "1" * 32


def git(folder: Path, *arguments: str) -> str:
    """Run Git in a folder."""
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def writes(number: int, assets: int = 200) -> WriteBatch:
    """Return the writes of one apply: a completed run of a job and the model from its output."""
    name = f"train-{number % assets}"
    job, model = Address("job", name), Address("model", name)
    run = Run(
        id=f"{name}-{number:08x}",
        address=job,
        token=f"{number:040x}",
        fingerprint=f"{number * 7919:040x}",
        attempt=1,
        backend="local",
        status=RunStatus.COMPLETED,
        commit=f"{number:040x}",
        submitted_at="2026-01-01T00:00:00.000Z",
        started_at="2026-01-01T00:00:01.250Z",
        ended_at="2026-01-01T00:01:02.500Z",
        metrics={"accuracy": number / 7, "loss": 7 / (number + 1)},
        spec={
            "command": "python train.py ${{inputs.data}}",
            "experiment_name": "iris",
            "inputs": {"lr": number / 1000},
            "tags": {"team": "vision", "number": str(number)},
        },
        outputs={"model": {"md5": f"{number:032x}", "sha256": "0" * 64, "size": number, "files": 3}},
    )
    version = str(number // assets + 1)
    record = Record(model, {"type": "mlflow_model", "path": f"azureml://jobs/{name}/outputs/model"}, run.token, "m", 1)
    new = Record(**{**_fields(record), "version": version, "seq": number // assets + 1, "declared_at": run.commit})
    current = Record(**{**_fields(record), "address": job, "spec": run.spec, "run": run.id, "latest": run.id})
    return WriteBatch(current=(current, new), versions=(new,), runs=(run,), meta={"applied": run.commit})


def _fields(record: Record) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def size_after(top: Path, applies: int) -> dict[str, float]:
    """Write many applies, push them all, and fetch them into a clone that has nothing."""
    here, remote, there = top / "here", top / "remote.git", top / "there"
    git(top, "init", "--quiet", str(here))
    git(top, "init", "--quiet", "--bare", str(remote))
    git(here, "commit", "--quiet", "--allow-empty", "-m", "start")
    repository = open_repository(here)
    state = StateStore(repository, "bench", LINEAGE)
    began = time.perf_counter()
    for number in range(applies):
        state.write(writes(number), f"apply: {number}\n")
    seconds = time.perf_counter() - began
    git(here, "push", "--quiet", str(remote), "refs/mlgit/*:refs/mlgit/*")
    repository.close()
    git(top, "init", "--quiet", str(there))
    git(there, "remote", "add", "origin", f"file://{remote}")
    clone = open_repository(there)
    began = time.perf_counter()
    StateStore(clone, "bench", LINEAGE, remote="origin").ref_store.fetch()
    fetched = time.perf_counter() - began
    clone.close()
    packs = sum(path.stat().st_size for path in (there / ".git" / "objects").rglob("*") if path.is_file())
    return {"applies": applies, "ms_a_write": seconds / applies * 1000, "fetch_s": fetched, "fetched_mb": packs / 1e6}


def pushes_for(top: Path, assets: int) -> dict[str, float]:
    """Register many data assets over a remote with the command itself; count the pushes."""
    remote, clone = top / "shared.git", top / "clone"
    git(top, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    git(top, "clone", "--quiet", str(remote), str(clone))
    git(clone, "symbolic-ref", "HEAD", "refs/heads/main")
    head = f'state: {{name: bench, lineage: "{LINEAGE}", remote: origin}}\nstore: {{path: {top / "store"}}}\n'
    (clone / "mlgit.yml").write_text(head + "backends: {}\ncompute: {}\n", encoding="utf-8")
    schema = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n"
    for number in range(assets):
        path = clone / "data" / f"{number % 100:02}" / f"d{number}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{schema}name: d{number}\ntype: uri_file\npath: d{number}.csv\n", encoding="utf-8")
        path.with_suffix(".csv").write_text(f"{number}\n", encoding="utf-8")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "-m", "start")
    git(clone, "push", "--quiet", "origin", "main")
    trace = top / "trace"
    command = [sys.executable, "-m", "reconciler", "apply", "--auto-approve"]
    environment = {**os.environ, "GIT_TRACE": str(trace), "PYTHONPATH": str(Path(__file__).parent.parent)}
    began = time.perf_counter()
    with (top / "said").open("w", encoding="utf-8") as output:
        subprocess.run(command, cwd=clone, check=True, stdout=output, env=environment)
    seconds = time.perf_counter() - began
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    pushes = sum("built-in: git push " in line for line in lines)
    return {"assets": assets, "apply_s": seconds, "pushes": pushes}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--applies", type=int, default=5000)
    parser.add_argument("--assets", type=int, default=10000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = size_after(Path(folder), arguments.applies) | pushes_for(Path(folder), arguments.assets)
    for name, value in measured.items():
        print(f"{name:12} {value:.2f}")
    print(json.dumps(measured))


if __name__ == "__main__":
    main()

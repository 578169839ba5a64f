"""How long `mlgit plan` takes over N assets, as whole processes; beside Terraform, where it is on the PATH.

    python benchmarks/plan.py --assets 10000 [--history 100000] [--terraform] [--register] [--quick]

Measured, each step in a process of its own, in turn, medians of rounds: PyYAML's C loader over the files; a plan of
which nothing at all is known ("cold"); one in a clone that has never planned, beside the live state that an apply left
("fresh_clone"); a plan where nothing changed; one data file changed; one environment changed that all jobs use.
With --register also `mlgit apply` of N data files, from nothing. Terraform does the same with N built-in resources
(no-op, one change, cold), within --limit seconds a step. The last line is one JSON object: seconds, memory in MiB.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import plan_terraform
import plan_workspace

PARSE = """
import sys, time, yaml
raws = [open(path, "rb").read() for path in sys.stdin.read().split("\\n")]
began = time.perf_counter()
for raw in raws:
    yaml.load(raw, yaml.CSafeLoader)
print(time.perf_counter() - began)
"""


@dataclass
class Figures:
    """Measurements of each step: wall-clock seconds, processor seconds, peak memory."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    busy: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)

    def add(self, step: str, seconds: float, busy: float = 0, mib: float = 0) -> None:
        self.seconds.setdefault(step, []).append(seconds)
        self.busy.setdefault(step, []).append(busy)
        self.memory[step] = max(mib, self.memory.get(step, 0))

    def medians(self) -> dict[str, float]:
        """Return the medians, and the peak memory of steps that measure it."""
        measured = {f"{step}_s": round(statistics.median(second), 3) for step, second in self.seconds.items()}
        measured |= {
            f"{step}_cpu_s": round(statistics.median(figure), 3) for step, figure in self.busy.items() if any(figure)
        }
        return measured | {f"{step}_mib": round(figure, 1) for step, figure in self.memory.items() if figure}


def main() -> None:
    arguments = parse_arguments()
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="mlgit-bench-") as name:
        folder = Path(name)
        mixed = prepare_workspace(folder / "mixed", arguments, plan_workspace.mixed, arguments.history)
        fan = prepare_workspace(folder / "fan", arguments, plan_workspace.fan) if not arguments.no_fan else None
        configuration = (
            plan_terraform.overrides(folder / "terraform", arguments.assets) if arguments.terraform else None
        )
        for _ in range(arguments.rounds):
            measure_plans(figures, mixed)
            if fan is not None:
                measure_fan(figures, fan)
            if configuration is not None:
                measure_terraform(figures, configuration, arguments.limit)
        if arguments.register:
            measure_register(figures, folder / "register", arguments.assets)
    measured = figures.medians()
    for step in ("cold", "fresh_clone"):
        ratios = [a / b for a, b in zip(figures.seconds[step], figures.seconds["pyyaml_parse"], strict=True)]
        measured[f"{step}_to_parse"] = round(statistics.median(ratios), 2)
    for figure, value in measured.items():
        print(f"{figure:28} {value:10.3f}")
    print(json.dumps({"assets": arguments.assets, "history": arguments.history, **measured}))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, default=10_000)
    parser.add_argument("--history", type=int, default=0, metavar="RUNS", help="older runs in the live state")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round, 500 assets")
    parser.add_argument("--no-fan", action="store_true", help="leave out the environment that all jobs use")
    parser.add_argument("--register", action="store_true", help="apply N data files from nothing, too")
    parser.add_argument("--terraform", action="store_true", help="Terraform, too, if it is on the PATH")
    parser.add_argument("--limit", type=int, default=300, help="seconds that one step of Terraform may take")
    parser.add_argument("--keep", type=Path, help="make the workspaces here once, and copy them from here")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.assets = 1, min(arguments.assets, 500)
    arguments.terraform = arguments.terraform and shutil.which("terraform") is not None
    return arguments


def prepare_workspace(
    folder: Path, arguments: argparse.Namespace, files: Callable[[int], Iterator[tuple[str, str]]], history: int = 0
) -> Path:
    """Create a workspace with its state, or copy an earlier one."""
    source = arguments.keep / f"{files.__name__}-{arguments.assets}-{history}" if arguments.keep else folder
    if not source.exists():
        source.parent.mkdir(parents=True, exist_ok=True)
        # In a process of its own: what this one has needed counts as the peak of all that it starts.
        shape = [files.__name__, source, str(arguments.assets), str(history)]
        subprocess.run([sys.executable, plan_workspace.__file__, *shape], check=True)
    if source != folder:
        shutil.copytree(source, folder, symlinks=True)
        plan_workspace.git(folder, "status")  # what Git knows of the copied files is theirs again
    time.sleep(1.1)  # Git trusts no file that is as young as its index
    plan_workspace.git(folder, "update-index", "--refresh")
    return folder


def measure_plans(figures: Figures, folder: Path) -> None:
    paths = [figure for figure in tracked(folder) if figure.endswith(".yml")]
    command = [sys.executable, "-c", PARSE]
    ended = subprocess.run(command, cwd=folder, input="\n".join(paths), text=True, capture_output=True, check=True)
    figures.add("pyyaml_parse", float(ended.stdout))
    with without_shared_index(folder):
        delete_cache(folder)
        plan(figures, "cold", folder, actions=0)
    delete_cache(folder)
    plan(figures, "fresh_clone", folder, actions=0)
    plan(figures, "no_change", folder, actions=0)
    data = folder / "g00003/d4.csv"
    before = data.read_bytes()
    data.write_bytes(before + b"7\n")
    # A new version, a run of the job that reads it, and the model from its output.
    plan(figures, "one_change", folder, actions=3)
    data.write_bytes(before)
    plan(figures, "changed_back", folder, actions=0)


def measure_fan(figures: Figures, folder: Path) -> None:
    plan(figures, "fan_first", folder, actions=0)
    conda = folder / "conda.yml"
    before = conda.read_bytes()
    conda.write_bytes(before + b"  - numpy\n")
    plan(figures, "environment_change", folder, "--allow-submit", "1000000")
    conda.write_bytes(before)


def measure_register(figures: Figures, folder: Path, assets: int) -> None:
    plan_workspace.write(folder, plan_workspace.data_only(assets))
    time.sleep(1.1)
    process(figures, "register", folder, [sys.executable, "-m", "reconciler", "apply", "--auto-approve"])
    plan(figures, "registered", folder, actions=0)


def measure_terraform(figures: Figures, folder: Path, limit: int) -> None:
    for step, arguments in plan_terraform.STEPS.items():
        process(figures, f"terraform_{step}", folder, ["timeout", str(limit), "terraform", *arguments], {0, 2, 124})


def plan(figures: Figures, step: str, folder: Path, *options: str, actions: int | None = None) -> None:
    """Measure a plan, and check its output."""
    command = [sys.executable, "-m", "reconciler", "plan", *options]
    out = process(figures, step, folder, command)
    verdict = out.splitlines()[0]
    expected = f"Plan: {actions} changes" if actions else "No changes."
    assert actions is None or verdict.startswith(expected), f"{step}: {verdict}"
    assert actions is not None or verdict.startswith("Plan:"), f"{step}: {verdict}"


def process(
    figures: Figures, step: str, folder: Path, command: list[str], allowed: set[int] | frozenset[int] = frozenset({0})
) -> str:
    """Run a process and take its time and its peak memory."""
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        started = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(started.pid, 0)
        busy = usage.ru_utime + usage.ru_stime
        figures.add(step, time.perf_counter() - began, busy, usage.ru_maxrss / 1024)
        started.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        output = out.read().decode()
    if started.returncode not in allowed:
        raise SystemExit(f"{step} ended with {started.returncode}: {output[-2000:]}")
    return output


@contextmanager
def without_shared_index(folder: Path) -> Iterator[None]:
    """Delete the shared index while the block runs."""
    listed = ["git", "for-each-ref", "--format=%(refname)", "refs/mlgit/bench/default/index/"]
    (ref,) = subprocess.run(listed, cwd=folder, check=True, capture_output=True, text=True).stdout.split()
    plan_workspace.git(folder, "update-ref", "-d", ref)
    yield
    plan_workspace.git(folder, "update-ref", ref, ref.rpartition("/")[2])


def delete_cache(folder: Path) -> None:
    """Take away everything that this clone remembers."""
    for name in ("mlgit", "mlgit-cache"):
        shutil.rmtree(folder / ".git" / name, ignore_errors=True)


def tracked(folder: Path) -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=folder, check=True, capture_output=True, text=True)
    return [line for line in listed.stdout.splitlines() if not line.endswith(("conda.yml", "mlgit.yml"))]


if __name__ == "__main__":
    main()

"""The processor time of `mlgit ci plan` for a pull request that changes 5 files in a repository of 10,000 assets.

    python benchmarks/pull_request.py [--assets 10000] [--rounds 7] [--keep FOLDER]

It plans both sides, the merge and its base, in a clone that has never planned and takes the index that is shared beside
the live state ("fresh_clone"), and in one whose cache is that of a plan of the base ("restored_cache"), as
`actions/cache` gives it back. Counted is the processor time of mlgit itself, without that of Git, as medians in a
process for each; beside it `python -c "import click"` in the same rounds. The limit is 15 times that; the exit code is
1 where a ratio is over it. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import plan_workspace

PACKAGE = Path(__file__).parent.parent / "reconciler"
LIMIT = 15
CHANGES = {
    "g00001/c8.yml": "# a comment\n",
    "g00002/j12.yml": "# a comment\n",
    "g00003/m19.yml": "properties: {reviewed: yes}\n",
    "g00004/datastore.yml": "# a comment\n",
    "g00005/d4.csv": "7\n",
}
# The time of a process without its children, which are Git.
OWN_TIME = """
import atexit, resource, sys
def write_times():
    own, children = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    sys.stderr.write(f"\\n{own.ru_utime + own.ru_stime} {children.ru_utime + children.ru_stime}")
atexit.register(write_times)
"""
CLICK = f"{OWN_TIME}import click"
MLGIT = f"{OWN_TIME}import runpy; sys.argv[0] = 'mlgit'; runpy.run_module('reconciler', run_name='__main__')"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="make the workspace here once, and use it again")
    arguments = parser.parse_args()
    compileall.compile_dir(PACKAGE, quiet=1)
    with tempfile.TemporaryDirectory(prefix="mlgit-bench-") as name:
        top = arguments.keep or Path(name)
        folder = top / f"pull-request-{arguments.assets}"
        if not folder.exists():
            make_pull_request(folder, arguments.assets)
        return measure(folder, top / "report", arguments)


def make_pull_request(folder: Path, assets: int) -> None:
    """Make a workspace that is applied, and check out the merge of a branch that changes 5 files."""
    shape = ["mixed", folder, str(assets), "0"]
    subprocess.run([sys.executable, plan_workspace.__file__, *shape], check=True)
    plan_workspace.git(folder, "switch", "--quiet", "-c", "change")
    for path, text in CHANGES.items():
        with (folder / path).open("a", encoding="utf-8") as file:
            file.write(text)
    plan_workspace.commit(folder)
    plan_workspace.git(folder, "switch", "--quiet", "--detach", "main")
    identity = ("-c", "user.name=b", "-c", "user.email=b@b")
    plan_workspace.git(folder, *identity, "merge", "--quiet", "--no-ff", "-m", "merge", "change")


def measure(folder: Path, report: Path, arguments: argparse.Namespace) -> int:
    local, saved = folder / ".git/mlgit", folder / ".git/mlgit-saved"
    shutil.rmtree(saved, ignore_errors=True)
    times: dict[str, list[tuple[float, float]]] = {}
    command = ("ci", "plan", "--base", "HEAD^1", "--out", str(report))
    shutil.rmtree(local, ignore_errors=True)
    run(MLGIT, folder, "plan", "--ref", "HEAD^1")
    shutil.copytree(local, saved)
    for _ in range(arguments.rounds):
        times.setdefault("import_click", []).append(run(CLICK, folder))
        shutil.rmtree(local, ignore_errors=True)
        times.setdefault("fresh_clone", []).append(run(MLGIT, folder, *command))
        shutil.rmtree(local, ignore_errors=True)
        shutil.copytree(saved, local)
        times.setdefault("restored_cache", []).append(run(MLGIT, folder, *command))
    own = {name: statistics.median(own for own, _ in figures) for name, figures in times.items()}
    ratios = {name: own[name] / own["import_click"] for name in ("fresh_clone", "restored_cache")}
    for name, seconds in own.items():
        git = statistics.median(git for _, git in times[name])
        ratio = seconds / own["import_click"]
        print(f"{name:16} {seconds:7.3f} s, and Git {git:7.3f} s  {ratio:6.2f} times import click")
    print(json.dumps({"assets": arguments.assets, **own, **{f"{name}_ratio": ratios[name] for name in ratios}}))
    return int(any(ratio > LIMIT for ratio in ratios.values()))


def run(code: str, folder: Path, *arguments: str) -> tuple[float, float]:
    """Run Python; return its processor time and that of its children."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", code, *arguments]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{arguments} ended with {ended.returncode}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    if "ci" in arguments and not ended.stdout.startswith("Plan: "):
        raise SystemExit(f"unexpected: {ended.stdout[:500]}")
    own, git = ended.stderr.split("\n")[-1].split()
    return float(own), float(git)


if __name__ == "__main__":
    sys.exit(main())

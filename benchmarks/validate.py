"""How long validating N files takes, compared with parsing them alone in the same run.

    python benchmarks/validate.py --files 10000 [--corpus FOLDER [--kind job]] [--azure PYTHON]

Writes N files of mixed kinds (those of a corpus with labels.tsv that azure-ai-ml accepts, else those of the
template) into a temporary Git repository, then times, in turn: PyYAML's C loader in one process; `mlgit validate`
cold and warm, as processes whose Python keeps bytecode, as it does unless it is told not to. With --azure also
azure-ai-ml, over the jobs among the first files, in a Python that has it. The last line is one JSON object; times in
seconds, memory in MiB. On a busy machine the processes of mlgit wait for a core that the one of PyYAML does not
need: the processor time of each is printed as well.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

TEMPLATE = Path(__file__).parent.parent / "workspace-template"
PARSE = """
import sys, time, yaml
paths = sys.stdin.read().split("\\n")
began, cpu = time.perf_counter(), time.process_time()
for path in paths:
    with open(path, "rb") as file:
        yaml.load(file, yaml.CSafeLoader)
print(time.perf_counter() - began, time.process_time() - cpu)
"""
AZURE = """
import sys, time
began = time.perf_counter()
from azure.ai.ml import load_job
imported = time.perf_counter() - began
times = []
for path in sys.stdin.read().split("\\n"):
    began = time.perf_counter()
    try:
        load_job(path)._validate()
    except Exception:
        pass
    times.append(time.perf_counter() - began)
print(imported, sorted(times)[len(times) // 2], len(times))
"""


def main() -> None:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="mlgit-bench-") as name:
        folder = Path(name)
        paths = list(written(folder, arguments.files, arguments.corpus, arguments.kind))
        subprocess.run(["git", "init", "--quiet", folder], check=True)
        print(f"{len(paths)} files of {arguments.corpus or 'the template'}")
        figures = measured(folder, paths, arguments.rounds)
        if arguments.azure:
            figures |= azure(folder, paths, arguments.azure, arguments.azure_jobs)
    for item, value in figures.items():
        print(f"{item:24} {value:10.3f}")
    print(json.dumps({"files": len(paths), **figures}))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--corpus", type=Path, help="folder with labels.tsv and other-paths.txt")
    parser.add_argument("--kind", help="only files of this kind, as labels.tsv of the corpus calls it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--azure", type=Path, metavar="PYTHON", help="azure-ai-ml too, with this interpreter")
    parser.add_argument("--azure-jobs", type=int, default=20, help="on how many jobs")
    return parser.parse_args()


def written(folder: Path, files: int, corpus: Path | None, kind: str | None) -> Iterator[str]:
    """Write copies of the samples until there are enough; yield their paths from the folder."""
    assets, others = samples(corpus, kind)
    source = corpus or TEMPLATE
    for index in range(files):
        copy, item = divmod(index, len(assets))
        if item == 0:
            for other in others:
                copy_file(source / other, folder / str(copy) / other)
        copy_file(source / assets[item], folder / str(copy) / assets[item])
        yield f"{copy}/{assets[item]}"


def samples(corpus: Path | None, kind: str | None) -> tuple[list[str], list[str]]:
    """Return the asset files to copy, and the files beside them that must be there."""
    if corpus is not None:
        rows = [line.split("\t") for line in (corpus / "labels.tsv").read_text("utf-8").splitlines()[1:]]
        accepted = [row[0] for row in rows if row[3] == "accept" and kind in {None, row[1]}]
        beside = [path.relative_to(corpus).as_posix() for path in corpus.glob("*/**/*") if path.is_file()]
        others = (corpus / "other-paths.txt").read_text("utf-8").splitlines()
        return accepted, [*others, *({*beside} - {*accepted})]
    results = sorted(path.relative_to(TEMPLATE).as_posix() for path in TEMPLATE.rglob("*") if path.is_file())
    assets = [item for item in results if item.endswith(".yml") and "$schema" in (TEMPLATE / item).read_text("utf-8")]
    return assets, [item for item in results if item not in assets and item != "mlgit.yml"]


def copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copyfile(source, target)
    else:
        target.touch()


def measured(folder: Path, paths: list[str], rounds: int) -> dict[str, float]:
    """Time all steps in turn, so that noise affects all alike; return medians."""
    stdin = "\n".join(paths)
    memo = folder / ".git" / "mlgit"
    validate(folder, paths[:1])  # writes the bytecode
    results: dict[str, list[float]] = {}
    for _ in range(rounds):
        out = run(folder, ["-c", PARSE], stdin)
        shutil.rmtree(memo, ignore_errors=True)
        cold = timed(lambda: validate(folder, paths))
        warm = timed(lambda: validate(folder, paths))
        figures = dict(zip(("pyyaml_parse_s", "pyyaml_parse_cpu_s"), map(float, out.split()), strict=True))
        figures |= dict(zip(("validate_cold_s", "validate_cold_cpu_s"), cold, strict=True))
        figures |= dict(zip(("validate_warm_s", "validate_warm_cpu_s"), warm, strict=True))
        figures["cold_to_parse"] = cold[0] / figures["pyyaml_parse_s"]
        for name, value in figures.items():
            results.setdefault(name, []).append(value)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {name: round(statistics.median(item), 3) for name, item in results.items()} | {"peak_mib": round(peak, 1)}


def validate(folder: Path, paths: list[str]) -> None:
    command = [sys.executable, "-m", "reconciler", "validate", "--format", "json", *paths]
    ended = subprocess.run(command, cwd=folder, capture_output=True, check=False, env=environment(folder))
    results = json.loads(ended.stdout)
    errors = [item for item in results["diagnostics"] if item["severity"] == "error"]
    if ended.returncode or errors:
        raise SystemExit(f"validate ended with {ended.returncode}: {errors[:3]} {ended.stderr[-500:]!r}")


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which Python keeps bytecode, in a folder of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**environment, "PYTHONPYCACHEPREFIX": str(folder / ".git" / "bytecode")}


def timed(action: Callable[[], None]) -> tuple[float, float]:
    """Return the time that an action takes, and the processor time of its processes."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    action()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu


def run(folder: Path, arguments: list[str], stdin: str, python: str = sys.executable) -> str:
    ended = subprocess.run([python, *arguments], cwd=folder, input=stdin, text=True, capture_output=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{python} ended with {ended.returncode}: {ended.stderr[-500:]}")
    return ended.stdout


def azure(folder: Path, paths: list[str], python: Path, most: int) -> dict[str, float]:
    """Time azure-ai-ml over the jobs among the first files: import once, then each load and validation."""
    jobs = [path for path in paths[:2000] if b"Job.schema" in (folder / path).read_bytes()][:most]
    imported, median, count = run(folder, ["-c", AZURE], "\n".join(jobs), str(python)).split()
    return {"azure_import_s": float(imported), "azure_median_job_s": float(median), "azure_jobs": float(count)}


if __name__ == "__main__":
    main()

"""The memory that large content takes: into the object store, out of it, and through a run's output.

    python benchmarks/memory.py [--megabytes 5120] [--folder DIR]

A data asset with one file of that size is committed, applied, copied by a job to its output, and a part of that output
is registered as a model; then the file changes and is planned. Each row is the peak of one process, by VmHWM of /proc;
``git`` is the largest of all that mlgit starts. It takes seven times the size on the disk. The last line is one JSON
object, in megabytes.
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

ROOT = Path(__file__).parent.parent
SCHEMAS = "$schema: https://azuremlschemas.azureedge.net/latest"
BLOCK = bytes(range(256)) * 4096  # a megabyte

# Runs code and writes the peaks of its process and of the largest that it started into a file, also after an exit.
MEASURED = """
import resource, sys
from pathlib import Path
target, code, sys.argv = Path(sys.argv[1]), sys.argv[2], ["mlgit", *sys.argv[3:]]
try:
    exec(code)
finally:
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    target.write_text(f"{peak} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}")
"""
MLGIT = "from reconciler import cli; cli.run_command_line()"
PUT = """
from reconciler.storage.disk_files import put_path
from reconciler.storage.folder_store import FolderStore
put_path(FolderStore(Path(sys.argv[1])), Path(sys.argv[2]))
"""
EXPORT = """
import hashlib
from reconciler.model.content import Content
from reconciler.storage.export import Export, export_contents
from reconciler.storage.folder_store import FolderStore
store = FolderStore(Path(sys.argv[1]))
path = max(store.root.glob("files/md5/*/*"), key=lambda path: path.stat().st_size)
with path.open("rb") as file:
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
content = Content(path.parent.name + path.name, sha256, path.stat().st_size, 1, "large.bin")
assert store.verify(content, deep=True) == ()
export_contents(store, [Export(content, "large.bin")], Path(sys.argv[2]))
"""

FILES = {
    ".gitignore": "/.mlgit/\n",
    "mlgit.yml": 'state: {name: memory, lineage: "11111111111111111111111111111111"}\n',
    "workspace.yml": f"{SCHEMAS}/workspace.schema.json\nname: memory\n",
    "data/large.yml": f"{SCHEMAS}/data.schema.json\nname: large\ntype: uri_file\npath: large.bin\n",
    "environments/plain.yml": f"""{SCHEMAS}/environment.schema.json
name: plain
image: python
conda_file: {{dependencies: ["python>=3.11"]}}
""",
    "jobs/copy.yml": f"""{SCHEMAS}/commandJob.schema.json
name: copy
command: >-
  (cat ${{{{inputs.large}}}}; echo end) > ${{{{outputs.out}}}}/large.bin
  && grep VmHWM: /proc/$PPID/status > ${{{{outputs.out}}}}/runner.txt
environment: azureml:plain@latest
compute: local
inputs:
  large: {{type: uri_file, path: azureml:large@latest}}
outputs:
  out: {{type: uri_folder}}
""",
    "models/part.yml": f"""{SCHEMAS}/model.schema.json
name: part
type: custom_model
path: azureml://jobs/copy/outputs/out/paths/large.bin
""",
}


def git(folder: Path, *arguments: str) -> None:
    """Run Git in a folder."""
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def peaks_of(code: str, *arguments: str, folder: Path) -> tuple[float, float]:
    """Return the peaks of a process that runs code and of the largest that it started, in megabytes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.NamedTemporaryFile(suffix=".peak") as peak:
        command = [sys.executable, "-c", MEASURED, peak.name, code, *arguments]
        ended = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)
        if ended.returncode:
            raise SystemExit(f"{' '.join(arguments)} failed:\n{ended.stdout}{ended.stderr}")
        own, largest = Path(peak.name).read_text(encoding="utf-8").split()
        return int(own) / 1024, int(largest) / 1024


def make_workspace(folder: Path, megabytes: int) -> None:
    """Commit a workspace with one large file."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with (folder / "data/large.bin").open("wb") as file:
        for number in range(megabytes):
            file.write(b"%020d" % number + BLOCK[20:])
    git(folder, "init", "--quiet")
    git(folder, "-c", "core.bigFileThreshold=16m", "add", "--all")
    git(folder, "-c", "user.name=memory", "-c", "user.email=memory@localhost", "commit", "--quiet", "-m", "start")


def measure(top: Path, megabytes: int) -> dict[str, float]:
    """Return the peak of each process."""
    workspace, store = top / "workspace", top / "store"
    workspace.mkdir()
    make_workspace(workspace, megabytes)
    peaks: dict[str, float] = {}
    peaks["plan"], git_of_plan = peaks_of(MLGIT, "plan", folder=workspace)
    peaks["apply"], git_of_apply = peaks_of(MLGIT, "apply", "--auto-approve", "--wait", folder=workspace)
    with (workspace / "data/large.bin").open("ab") as file:
        file.write(b"changed")
    changed, git_of_change = peaks_of(MLGIT, "plan", folder=workspace)
    peaks["plan"], peaks["git"] = max(peaks["plan"], changed), max(git_of_plan, git_of_apply, git_of_change)
    outputs = workspace / ".mlgit/store/runs"
    runner = next(outputs.glob("*/outputs/out/runner.txt")).read_text(encoding="utf-8")
    assert next(outputs.glob("*/outputs/out/large.bin")).stat().st_size == (megabytes << 20) + len("end\n")
    peaks["runner"] = int(runner.split()[1]) / 1024
    peaks["put"], _ = peaks_of(PUT, str(store), str(workspace / "data/large.bin"), folder=top)
    peaks["export"], _ = peaks_of(EXPORT, str(store), str(top / "copy"), folder=top)
    assert (top / "copy/large.bin").stat().st_size == (workspace / "data/large.bin").stat().st_size
    return peaks


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=5120)
    parser.add_argument("--folder", help="where to work; the default is the folder for temporary files")
    arguments = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        peaks = measure(Path(folder), arguments.megabytes)
    for name, megabytes in peaks.items():
        print(f"{name:8} {megabytes:8.1f} MB")
    print(f"{time.perf_counter() - began:.0f} s")
    print(json.dumps(peaks))


if __name__ == "__main__":
    main()

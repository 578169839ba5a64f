"""Workspaces to test on, and the Git around them."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")
# A job of a type that no backend runs.
SPARK = """
    $schema: https://azuremlschemas.azureedge.net/latest/sparkJob.schema.json
    type: spark
    code: ../src
    entry: {file: sum.py}
    conf:
      spark.driver.cores: 1
      spark.driver.memory: 2g
      spark.executor.cores: 1
      spark.executor.memory: 2g
      spark.executor.instances: 1
    resources: {instance_type: standard_e4s_v3, runtime_version: "3.4"}
    """

_ONE_STEP = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
name: sum
jobs:
  only:
    type: command
    command: echo one step
    environment: azureml:plain@latest
    compute: azureml:local
"""


def git(folder: Path, *arguments: str) -> str:
    """Run one Git command in a folder."""
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, dedented, below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")


def commit(folder: Path, message: str = "change", files: Mapping[str, str] | None = None) -> str:
    """Write files and commit everything; return the commit."""
    write(folder, files or {})
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def put(folder: Path, path: str, value: object) -> None:
    """Put a file into the live state of the small workspace, as another mlgit would."""
    ref = "refs/mlgit/small/default/live"
    (folder / "value.json").write_text(json.dumps(value), "utf-8")
    blob = git(folder, "hash-object", "-w", "value.json")
    (folder / "value.json").unlink()
    os.environ["GIT_INDEX_FILE"] = str(folder / ".git/other-index")
    try:
        git(folder, "read-tree", ref)
        git(folder, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        tree = git(folder, "write-tree")
    finally:
        del os.environ["GIT_INDEX_FILE"]
    git(folder, "update-ref", ref, git(folder, "commit-tree", tree, "-p", ref, "-m", "newer"))


def edit(folder: Path, name: str, old: str, new: str) -> None:
    """Replace a piece of text that a file has exactly once."""
    text = (folder / name).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{name} has {text.count(old)} times {old}"
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def put_pipeline(folder: Path) -> None:
    """Put a pipeline in the place of the job of the small workspace, which makes no model any more."""
    (folder / "jobs/sum.yml").write_text(_ONE_STEP, encoding="utf-8")
    (folder / "models/total.yml").unlink()
    commit(folder)


_SIGNAL_ITSELF = """
import itertools, os, sys
_numbers = itertools.count(1)

def _watch(event, arguments):
    if event == {event!r} and any({text!r} in str(argument) for argument in arguments) and next(_numbers) == {count}:
        os.kill({process}, {number:d})

sys.addaudithook(_watch)
"""


def signal_itself(  # noqa: PLR0913 - what, to whom, and when
    folder: Path, number: int, event: str, text: str, count: int = 1, *, is_group: bool = False
) -> dict[str, str]:
    """Return the variables with which a process of Python sends itself a signal at a moment that no load can shift.

    That is its audit event of a name whose arguments have a text, the one of that count; ``is_group`` sends the signal
    to its process group. A test that watches it from outside may be too late. The folder must not exist.
    """
    process = "0" if is_group else "os.getpid()"
    text = _SIGNAL_ITSELF.format(event=event, text=text, count=count, process=process, number=number)
    write(folder, {"sitecustomize.py": text})
    return {"PYTHONPATH": str(folder)}


def until(condition: Callable[[], _T], seconds: float = 120) -> _T:
    """Poll a condition until its result is true; return the result."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "what the test waits for did not happen"
        time.sleep(0.02)
    return result


def has_ended(pid: int) -> bool:
    """Return True if a process has ended; a zombie counts as ended."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return True
    except FileNotFoundError:
        return Path("/proc/self").exists()  # without /proc, the process exists
    return state == "Z"


APPLY = ("apply", "--auto-approve", "--wait")

# A workspace whose environment needs no packages, so that building it takes a moment and no network.
SMALL: Mapping[str, str] = {
    "mlgit.yml": """
        state: {name: small, lineage: "11111111111111111111111111111111"}
        store: {path: .mlgit/store}
        backends: {local: {type: local}}
        compute: {"*": local}
        """,
    ".gitignore": "/.mlgit/\n",
    "workspace.yml": "$schema: https://azuremlschemas.azureedge.net/latest/workspace.schema.json\nname: small\n",
    "data/numbers.yml": """
        $schema: https://azuremlschemas.azureedge.net/latest/data.schema.json
        name: numbers
        type: uri_file
        path: numbers.csv
        """,
    "data/numbers.csv": "n\n1\n2\n3\n",
    "environments/plain.yml": """
        $schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
        name: plain
        image: python
        conda_file: {dependencies: ["python>=3.11"]}
        """,
    "jobs/sum.yml": """
        $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
        name: sum
        command: python sum.py ${{inputs.numbers}} ${{inputs.factor}} ${{outputs.total}}
        code: ../src
        environment: azureml:plain@latest
        compute: local
        inputs:
          numbers: {type: uri_file, path: azureml:numbers@latest}
          factor: 2
        outputs:
          total: {type: uri_folder}
        """,
    "src/sum.py": """
        import pathlib, sys
        numbers, factor, out = sys.argv[1:]
        total = sum(int(line) for line in pathlib.Path(numbers).read_text().split()[1:])
        (pathlib.Path(out) / "total.txt").write_text(str(total * float(factor)))
        print("total", total)
        """,
    "models/total.yml": """
        $schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
        name: total
        type: custom_model
        path: azureml://jobs/sum/outputs/total
        """,
}

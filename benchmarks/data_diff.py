"""How long `data-diff` takes, the comparison of two versions of a table.

    python benchmarks/data_diff.py [--rows 1000000] [--folder DIR] [--only data-diff]

`data-diff`: two Parquet files of so many rows and eight columns that differ in one row are registered as two versions;
`mlgit diff data/big@1 data/big@2` is timed as a process, the best of three, beside `mlgit --version` and the import of
pyarrow.parquet, a process each. It has to find the column, and to take less
than 2 s. The last line is one JSON object, in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROOT = Path(__file__).parent.parent
LIMIT = 2.0
MLGIT = (sys.executable, "-m", "reconciler")
SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json"
ASSET = f"{SCHEMA}\nname: big\ntype: uri_file\npath: big.parquet\n"


def run(folder: Path, *command: str) -> str:
    """Run a command in a folder, with this mlgit; return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, env=environment).stdout


def best(folder: Path, command: Sequence[str], times: int = 3) -> float:
    """Return the shortest time of a command, in seconds."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        run(folder, *command)
        found.append(time.perf_counter() - started)
    return min(found)


def write_table(path: Path, rows: int, changed: int | None) -> None:
    """Write a table of eight columns; the value of one row differs if it is named."""
    numbers = pa.array(range(rows))
    columns = {"id": numbers, "name": pc.binary_join_element_wise("name", numbers.cast(pa.string()), "-")}
    for index in range(6):
        columns[f"x{index}"] = pc.sin(pc.multiply(numbers.cast(pa.float64()), 0.1 + index))
    if changed is not None:
        columns["x3"] = pc.if_else(pc.equal(numbers, changed), 9.0, columns["x3"])
    pq.write_table(pa.table(columns), path)


def data_diff(folder: Path, rows: int) -> dict[str, float]:
    """Return the seconds of a data diff, and of what it cannot be faster than."""
    run(folder, "git", "init", "--quiet")
    (folder / "big.yml").write_text(ASSET, "utf-8")
    for version, changed in enumerate((None, rows * 3 // 4)):
        write_table(folder / "big.parquet", rows, changed)
        if version == 0:
            run(folder, *MLGIT, "init", "--here")
        run(folder, "git", "add", "--all")
        run(folder, "git", "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "--quiet", "-m", "data")
        run(folder, *MLGIT, "apply", "--auto-approve")
    command = (*MLGIT, "diff", "data/big@1", "data/big@2")
    out = run(folder, *command)
    if "~ column x3: values differ in 1 row\n" not in out or f"{rows:,} rows, as before" not in out:
        raise SystemExit(f"the difference was not found:\n{out}")
    return {
        "data-diff": best(folder, command),
        "mlgit --version": best(folder, (*MLGIT, "--version")),
        "import pyarrow": best(folder, (sys.executable, "-c", "import pyarrow.parquet")),
    }


MEASUREMENTS: dict[str, Callable[[Path, int], dict[str, float]]] = {"data-diff": data_diff}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to work; by default the folder of temporary files")
    parser.add_argument("--only", choices=sorted(MEASUREMENTS))
    arguments = parser.parse_args()
    results: dict[str, float] = {}
    for name in [arguments.only] if arguments.only else MEASUREMENTS:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            results |= MEASUREMENTS[name](Path(folder), arguments.rows)
    for name, seconds in results.items():
        print(f"{name:20} {seconds:6.2f} s")
    print(json.dumps(results))
    if results["data-diff"] > LIMIT:
        raise SystemExit(f"a data diff of one row takes more than {LIMIT} s")


if __name__ == "__main__":
    main()

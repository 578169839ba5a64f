"""What content costs: first registration of many small files and of a large one, and a plan where nothing changed.

    python benchmarks/content.py [--files 10000] [--many 100000] [--mebibytes 1024] [--rounds 3] [--azurite URL]

Measured beside the peer, in turn, medians of rounds; every round starts with an empty store and an empty cache:

- ``files``: N files of 1 KiB put into the store in a folder, against dvc_data alone, which hashes the same files and
  adds them to its own database; ``dvc add`` of the same folder is shown beside;
- ``apply``: ``mlgit apply`` that registers them from Git, beside ``git add`` of them, for a person's view;
- ``large``: one file of that size put into the store, against the slower of md5 and sha256 of it plus one copy;
- ``plan``: ``mlgit plan`` of the applied workspace, where nothing changed, beyond ``mlgit --version``: once as a person
  runs it again, and once with an empty cache of plans, as in a new clone;
- ``linear``: the time of a file among many, in times of that of a file among N;
- ``azurite`` (with --azurite, the URL of an account of Azurite with AZURITE_KEY): upload of 2,000 files of 16 KiB by
  the store, against adlfs alone with as many requests at once.

The last lines are the load of the machine and one JSON object: seconds, and the ratio or difference with a limit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LIMITS = {"files_ratio": 1.3, "plan_adds_s": 0.3, "large_ratio": 1.3, "linear_ratio": 1.3, "azurite_ratio": 1.2}
MLGIT = (sys.executable, "-m", "reconciler")
SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n"
CONFIG = f"state: {{name: bench, lineage: '{'1' * 32}'}}\nstore: {{path: .mlgit/store}}\n"
CHUNK = 1 << 20
JOBS = 8

# Each is a process of its own, which prints how long its work took, without the imports.
PUT = """
import sys, time
from pathlib import Path
from reconciler.storage.disk_files import put_path
from reconciler.storage.dvc_listing import encode_listing
from reconciler.storage.folder_store import FolderStore
began = time.perf_counter()
put_path(FolderStore(Path(sys.argv[2])), Path(sys.argv[1]))
print(time.perf_counter() - began)
"""
DVC_DATA = """
import sys, time
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db.local import LocalHashFileDB
from dvc_data.hashfile.transfer import transfer
from dvc_objects.fs.local import localfs
began = time.perf_counter()
database = LocalHashFileDB(localfs, sys.argv[2])
staging, _, tree = build(database, sys.argv[1], localfs, "md5")
transfer(staging, database, {tree.hash_info}, shallow=False)
print(time.perf_counter() - began)
"""


def run(*words: str, folder: Path) -> str:
    """Run a command; return its output, or end the benchmark with its error."""
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(words)}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def timed(action: Callable[[], object]) -> float:
    """Return how long something took."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def make_files(folder: Path, count: int, size: int = 1024) -> Path:
    """Write files of random bytes, a hundred in each folder."""
    for number in range(count):
        path = folder / f"{number // 100:04}" / f"{number:06}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    return folder


@contextmanager
def new_folder(scratch: Path) -> Iterator[Path]:
    """Yield the path of a folder that does not exist yet, and remove it: disks grow slow with what is left behind."""
    folder = scratch / uuid.uuid4().hex
    try:
        yield folder
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(folder)], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def work_of(code: str, source: Path, scratch: Path) -> float:
    with new_folder(scratch) as folder:
        return float(run(sys.executable, "-c", code, str(source), str(folder), folder=scratch))


def compare(rounds: int, *actions: Callable[[], float]) -> tuple[float, ...]:
    """Return the medians of measurements that are made in turn."""
    figures = [[action() for action in actions] for _ in range(rounds)]
    return tuple(statistics.median(column) for column in zip(*figures, strict=True))


def measure_files(scratch: Path, source: Path, rounds: int) -> dict[str, float]:
    """Return how long the first registration takes, beside dvc_data alone and the command."""

    def add_by_command() -> float:
        with new_folder(scratch) as folder:
            shutil.copytree(source, folder / "data")
            run("git", "init", "-q", folder=folder)
            run(sys.executable, "-m", "dvc", "init", "-q", folder=folder)
            run(sys.executable, "-m", "dvc", "config", "core.analytics", "false", folder=folder)
            return timed(lambda: run(sys.executable, "-m", "dvc", "add", "-q", "data", folder=folder))

    own, bare, command = compare(
        rounds, lambda: work_of(PUT, source, scratch), lambda: work_of(DVC_DATA, source, scratch), add_by_command
    )
    return {"files_s": own, "dvc_data_s": bare, "dvc_add_s": command, "files_ratio": own / bare}


def measure_linear(scratch: Path, few: tuple[Path, int], many: tuple[Path, int]) -> dict[str, float]:
    """Return the time of a file among many, in times of that of a file among few."""
    short, long = (work_of(PUT, source, scratch) / count for source, count in (few, many))
    return {"many_s": long * many[1], "linear_ratio": long / short}


def measure_large(scratch: Path, mebibytes: int, rounds: int) -> dict[str, float]:
    """Return how long one large file takes, beside the slower of its digests alone and one copy."""
    source = scratch / "large.bin"
    with source.open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(CHUNK))

    def digest(name: str) -> float:
        with source.open("rb") as file:
            return timed(lambda: hashlib.file_digest(file, name))

    def copy() -> float:
        with new_folder(scratch) as folder, source.open("rb") as file, folder.open("wb") as target:
            took = timed(lambda: shutil.copyfileobj(file, target, CHUNK))  # no clone of blocks: a copy
        folder.unlink()
        return took

    own, md5, sha256, copied = compare(
        rounds, lambda: work_of(PUT, source, scratch), lambda: digest("md5"), lambda: digest("sha256"), copy
    )
    source.unlink()
    bare = max(md5, sha256) + copied
    return {"large_s": own, "md5_s": md5, "sha256_s": sha256, "copy_s": copied, "large_ratio": own / bare}


def measure_plan(scratch: Path, source: Path, rounds: int) -> dict[str, float]:
    """Return how long an apply of the files takes, and a plan after it beyond the start of a command."""
    with new_folder(scratch) as folder:
        shutil.copytree(source, folder / "data")
        files = {"mlgit.yml": CONFIG, ".gitignore": "/.mlgit/\n", "d.yml": f"{SCHEMA}name: d\npath: data\n"}
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8")
        run("git", "init", "-q", folder=folder)
        added = timed(lambda: run("git", "add", "-A", folder=folder))
        run("git", "-c", "user.name=b", "-c", "user.email=b@example.com", "commit", "-qm", "b", folder=folder)
        applied = timed(lambda: run(*MLGIT, "apply", "--auto-approve", folder=folder))

        def plan(*, is_new: bool) -> float:
            if is_new:
                for path in (folder / ".git/mlgit").glob("cache.sqlite*"):
                    path.unlink()
            return timed(lambda: run(*MLGIT, "plan", folder=folder))

        again, new, start = compare(
            rounds + 2,
            lambda: plan(is_new=False),
            lambda: plan(is_new=True),
            lambda: timed(lambda: run(*MLGIT, "--version", folder=folder)),
        )
    return {
        "git_add_s": added,
        "apply_s": applied,
        "start_s": start,
        "plan_s": again,
        "plan_adds_s": again - start,
        "plan_without_cache_adds_s": new - start,
    }


def measure_azurite(scratch: Path, url: str, rounds: int) -> dict[str, float]:
    """Return how long an upload by the store takes, beside adlfs alone with as many requests at once."""
    source = make_files(scratch / "upload", 2000, 16 * 1024)
    account, key = url.rstrip("/").rpartition("/")[2], os.environ["AZURITE_KEY"]
    container = f"c{uuid.uuid4().hex[:12]}"
    connection = f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};BlobEndpoint={url.rstrip('/')};"
    code = "import sys, fsspec; fsspec.filesystem('abfs', connection_string=sys.argv[1]).mkdir(sys.argv[2])"
    run(sys.executable, "-c", code, connection, container, folder=scratch)

    def upload(code: str) -> float:
        with new_folder(scratch) as cache:
            words = (str(source), str(cache), connection, container, uuid.uuid4().hex, url, account, key, str(JOBS))
            return float(run(sys.executable, "-c", code, *words, folder=scratch))

    own, bare = compare(rounds, lambda: upload(UPLOAD), lambda: upload(ADLFS))
    return {"azurite_s": own, "adlfs_s": bare, "azurite_ratio": own / bare}


# The store hashes the files and writes them to its cache first; that is done before the clock starts, as it is measured
# above: what is compared is the transfer.
UPLOAD = """
import sys, time
from pathlib import Path
from reconciler.model.object_store import StoreContext
from reconciler.storage.disk_files import put_path
from reconciler.storage.folder_store import FolderStore
from reconciler.storage.stores import open_store
source, cache, _, container, prefix, url, account, key, jobs = sys.argv[1:]
put_path(FolderStore(Path(cache)), Path(source))
settings = {"url": f"az://{container}/{prefix}", "endpoint": url, "account": account, "cache": cache, "jobs": int(jobs)}
store = open_store("url", settings, StoreContext(cache, lambda pointer: key if pointer == "/account_key" else None))
store.find_id()
began = time.perf_counter()
put_path(store, Path(source))
print(time.perf_counter() - began)
"""
ADLFS = """
import sys, time, fsspec
from pathlib import Path
source, _, connection, container, prefix = sys.argv[1:6]
filesystem = fsspec.filesystem("abfs", connection_string=connection)
files = [str(path) for path in Path(source).rglob("*.bin")]
filesystem.exists(f"{container}/{prefix}")
began = time.perf_counter()
targets = [f"{container}/{prefix}/{Path(path).name}" for path in files]
filesystem.put(files, targets, batch_size=int(sys.argv[9]))
print(time.perf_counter() - began)
"""


def measure_parts(scratch: Path, options: argparse.Namespace) -> Iterator[dict[str, float]]:
    """Yield the figures of each part when it is measured."""
    if options.azurite:
        yield measure_azurite(scratch, options.azurite, options.rounds)
    if options.mebibytes:
        yield measure_large(scratch, options.mebibytes, options.rounds)
    if not options.files:
        return
    few = make_files(scratch / "few", options.files)
    yield measure_files(scratch, few, options.rounds)
    yield measure_plan(scratch, few, options.rounds)
    if options.many:
        many = make_files(scratch / "many", options.many)
        yield measure_linear(scratch, (few, options.files), (many, options.many))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--azurite", default="", metavar="URL")
    options = parser.parse_args()
    before, figures = os.getloadavg(), {}
    with tempfile.TemporaryDirectory(prefix="bench-content-") as name:
        for part in measure_parts(Path(name), options):
            figures |= part
            for figure, value in part.items():
                limit = f"  (limit {LIMITS[figure]})" if figure in LIMITS else ""
                print(f"{figure:26} {value:8.3f}{limit}", flush=True)
    print(f"load of the machine: {before[0]:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores")
    print(json.dumps({figure: round(value, 3) for figure, value in figures.items()}))
    return int(any(figures.get(figure, 0) > limit for figure, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())

"""The time that inputs and outputs take between a store on a service and a machine of the backend ssh.

    python benchmarks/transfers.py [--megabytes 200] [--rounds 3]

By URLs, the machine gets and gives them itself, and checks them: mlgit reads no input. Through the machine that runs
mlgit, they go from the service to its cache and on over the connection, or back. Both are measured in one run, in turn,
each with an empty cache: the limit of their ratio is 0.6. The service and both machines are this one, whose cores share
the work: where mlgit is far from the other two, the ratio is that of the networks.

The service is Azurite (`make azurite`), and the machine is a namespace of the tests, which needs root. The last line is
one JSON object. The exit code is 1 where a ratio is over its limit, or mlgit has read inputs by URLs.
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
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

from reconciler.engine.task_contents import check_task_contents
from reconciler.model.backend import Backend
from reconciler.model.content import UploadFile
from reconciler.model.object_store import ObjectStore
from reconciler.model.providers import Phase
from reconciler.model.tasks import Prefix, Task, TaskContent, TaskOutput

FILES = 4
LIMIT = 0.6


def make_task(name: str, command: str, prefix: Prefix, **fields: Any) -> Task:
    """Return a task with a token that follows from its name."""
    token = name.encode().hex().ljust(40, "0")[:40]
    return Task(f"{name}-{token[:8]}", f"job/{name}", token, command, prefix, **fields)


def wait(backend: Backend, handle: Any) -> None:
    """Wait until a run has ended; raise SystemExit if it did not complete."""
    while (condition := backend.poll([handle])[handle]).phase in (Phase.PENDING, Phase.RUNNING):
        time.sleep(0.1)
    if condition.phase is not Phase.SUCCEEDED:
        raise SystemExit(f"a job did not complete: {condition}")


def measure(
    name: str, backend: Backend, open_store: Callable[[], ObjectStore], prefix: Prefix, size: int
) -> list[float]:
    """Return the seconds to submit a run with so many bytes of input, and to collect as many of output.

    The last figure is which part of the input mlgit has read itself.
    """
    part = size // FILES
    files = [UploadFile(f"{number}", 0o100644, lambda: BytesIO(os.urandom(part))) for number in range(FILES)]
    content = open_store().put(files)
    inputs = {"data": TaskContent("uri_folder", "ro_mount", content)}
    lines = "; ".join(f"head -c {part} /dev/urandom > ${{{{outputs.made}}}}/{number}" for number in range(FILES))
    task = make_task(name, lines, prefix, inputs=inputs, outputs={"made": TaskOutput("uri_folder")})
    store, began = open_store(), time.perf_counter()
    check_task_contents(store, task, backend)
    handle = backend.submit(task, store)
    submitted = time.perf_counter()
    copies = sum(store.local(file.digest) is not None for file in store.manifest(content))
    wait(backend, handle)
    store, collecting = open_store(), time.perf_counter()
    made = backend.collect(handle, store).outputs["made"]
    figures = [submitted - began, time.perf_counter() - collecting, copies / FILES]
    if made.size != part * FILES:
        raise SystemExit(f"{made.size} bytes were collected")
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    nodes, azurites = (importlib.import_module(f"services.{name}") for name in ("ssh_node", "azurite"))
    benches = importlib.import_module("remote.url_store")
    if missing := nodes.MISSING or azurites.MISSING:
        raise SystemExit(missing)
    with tempfile.TemporaryDirectory() as top, ExitStack() as ends:
        folder = Path(top)
        service = azurites.Azurite(folder / "azurite")
        ends.callback(service.stop)
        node = nodes.SshNode(folder / "sshd")
        node.start()
        ends.callback(node.stop)
        ends.enter_context(node.way_out(service.port, service.port))
        subprocess.run([nodes.PYTHON, "-m", "venv", str(folder / "venv")], check=True)
        prefix = Prefix(str(folder / "venv"), "here")
        bench = benches.make_azure_bench(service, folder / "store")

        def open_without_grants() -> ObjectStore:
            store = bench.open()
            store.grant = lambda *_: None
            return store

        backend = nodes.open_ssh(node, folder / "node")
        wait(backend, backend.submit(make_task("first", "true", prefix), bench.open()))  # it gets its environment
        rows = [
            [
                measure(f"{way}{number}", backend, open_store, prefix, options.megabytes << 20)
                for way, open_store in (("urls", bench.open), ("here", open_without_grants))
            ]
            for number in range(options.rounds)
        ]
    figures: dict[str, float] = {}
    for index, verb in enumerate(("submit", "collect")):
        urls, here = (statistics.median(row[way][index] for row in rows) for way in (0, 1))
        figures |= {f"{verb}_by_urls_s": round(urls, 2), f"{verb}_through_here_s": round(here, 2)}
        figures[f"{verb}_ratio"] = round(urls / here, 2)
        seconds = f"{urls:.2f} s by URLs, {here:.2f} s through here"
        print(f"{verb} {options.megabytes} MB: {seconds}: {urls / here:.2f} (limit {LIMIT})")
    read = max(row[0][2] for row in rows)
    figures["inputs_read_by_mlgit"] = read
    print(f"inputs that mlgit reads itself: {read:.0%} by URLs, {max(row[1][2] for row in rows):.0%} through here")
    print(json.dumps(figures))
    return int(read > 0 or any(value > LIMIT for name, value in figures.items() if name.endswith("ratio")))


if __name__ == "__main__":
    sys.exit(main())

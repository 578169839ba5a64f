"""The process of a driver: ``python -P -m reconciler.engine.driver SETTINGS``, with its lock as a descriptor."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from reconciler.backends import load_backend
from reconciler.diagnostics import UserError
from reconciler.engine.driver.events import find_graph
from reconciler.engine.driver.loop import Driver, drive
from reconciler.engine.driver.process import LOCK_DESCRIPTOR, DriverProcess, read_settings
from reconciler.model.backend import Backend
from reconciler.model.object_store import StoreContext
from reconciler.model.plugins import BackendContext
from reconciler.model.secret_bindings import STORE_ADDRESS, backend_address
from reconciler.state.process import host_name
from reconciler.storage.stores import open_store


def main() -> int:
    """Execute the run that a settings file names until it has ended; exit code 1 if that cannot be."""
    path = Path(sys.argv[1])
    os.set_inheritable(LOCK_DESCRIPTOR, False)  # no process that this one starts may keep it
    os.umask(0o077)  # a log or a spec can hold a secret
    settings = read_settings(path)
    secrets: dict[str, str] = json.load(sys.stdin)  # written by who starts it, and kept nowhere
    os.chdir(path.parent)
    try:
        folder = settings.store.folder
        context = StoreContext(folder, _secret_reader(secrets, STORE_ADDRESS))
        store = open_store(settings.store.type, settings.store.settings, context)
        graph = find_graph(store, settings.token)
        if graph is None:
            return _print_error(f"the store at {store.location} has no graph of this run")

        def open_backend(name: str) -> Backend:
            reader = _secret_reader(secrets, backend_address(name))
            return load_backend(graph.backends[name], Path(settings.folder), BackendContext(name, folder, reader))

        drive(Driver(graph, store, open_backend, host_name()), DriverProcess(path.parent).write_problem)
    except UserError as error:
        return _print_error(error.diagnostics[0].message)
    return 0


def _secret_reader(secrets: Mapping[str, str], address: str) -> Callable[[str], str | None]:
    return lambda pointer: secrets.get(f"{address}{pointer}")


def _print_error(message: str) -> int:
    sys.stderr.write(message + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

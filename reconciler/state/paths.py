"""The paths of records in the tree of the live state, fanned out so that the cost of a write is that of its changes.

``current/<2 hex>/<kind>/<name>.json`` is all that plan reads of every asset; older versions and runs are
``history/<kind>/<2 hex>/<name>/<2 hex of version or run>/<id>.json``, the builds of environments
``builds/<2 hex>/<fingerprint>.json``, and downloads ``downloads/<2 hex>/<digest of the URL>.json``.
``steps/<2 hex>/<run>.json`` are the steps of a pipeline or a sweep.
``pins/<name>.json`` are the environments of registries that are in use. Experiments are below ``experiments/`` as other
runs are below ``history/``, and ``unfinished/<run>.json`` names each whose end is not recorded.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote, unquote

from reconciler.model import Address

META_PATH = "meta.json"
CURRENT_PREFIX = "current/"
EXPERIMENTS_PREFIX = "experiments/"
UNFINISHED_PREFIX = "unfinished/"
_HISTORY_PREFIX = "history/"
_HISTORIES = frozenset({"history", "experiments"})
BUILDS_PREFIX = "builds/"
PINS_PREFIX = "pins/"
DOWNLOADS_PREFIX = "downloads/"
STEPS_PREFIX = "steps/"
_NAME_DEPTH = 3  # folders of a version or a run, from below history/ to the one that has the name


def current_record_path(address: Address) -> str:
    """Return the path of the current record of an address."""
    return f"{CURRENT_PREFIX}{_hash_prefix(str(address))}/{address.kind}/{_quote_path_component(address.name)}.json"


def current_record_address(path: str) -> Address | None:
    """Return the address whose current record is at a path; None for any other path."""
    kind, _, name = path.removeprefix(CURRENT_PREFIX).partition("/")[2].partition("/")
    address = Address(kind, unquote(name.removesuffix(".json")))
    return address if current_record_path(address) == path else None


def record_address(path: str) -> Address | None:
    """Return the address of the current record, version or run at a path; None for any other path."""
    folder, _, rest = path.partition("/")
    parts = rest.split("/")
    if folder in _HISTORIES and len(parts) > _NAME_DEPTH:
        return Address(parts[0], unquote(parts[2]))
    return current_record_address(path) if path.startswith(CURRENT_PREFIX) else None


def history_record_path(address: Address, version: str) -> str:
    """Return the path of one version or one run of an address."""
    return f"{history_folder(address)}{_hash_prefix(version)}/{_quote_path_component(version)}.json"


def history_folder(address: Address) -> str:
    """Return the folder of all versions or runs of an address."""
    return f"{history_kind_folder(address.kind)}{_hash_prefix(address.name)}/{_quote_path_component(address.name)}/"


def builds_path(fingerprint: str) -> str:
    """Return the path of the builds of an environment."""
    return f"{BUILDS_PREFIX}{_hash_prefix(fingerprint)}/{_quote_path_component(fingerprint)}.json"


def pin_path(name: str) -> str:
    """Return the path of the pin of an environment of a registry."""
    return f"{PINS_PREFIX}{_quote_path_component(name)}.json"


def download_path(url: str) -> str:
    """Return the path of what was downloaded from a URL, which is not in it: it may have a secret."""
    return f"{DOWNLOADS_PREFIX}{_hash_prefix(url)}/{hashlib.sha256(url.encode()).hexdigest()}.json"


def steps_path(run: str) -> str:
    """Return the path of the steps of a run."""
    return f"{STEPS_PREFIX}{_hash_prefix(run)}/{_quote_path_component(run)}.json"


def is_merged(path: str) -> bool:
    """Return True if what two writers write to a path is merged, so that they do not conflict."""
    return path == META_PATH or path.startswith((BUILDS_PREFIX, DOWNLOADS_PREFIX, PINS_PREFIX))


def history_kind_folder(kind: str) -> str:
    """Return the folder of all versions or runs of a kind."""
    return f"{_HISTORY_PREFIX}{kind}/"


def experiment_path(address: Address, run: str) -> str:
    """Return the path of one experiment of a job."""
    return _in_experiments(history_record_path(address, run))


def experiments_folder(address: Address) -> str:
    """Return the folder of all experiments of a job."""
    return _in_experiments(history_folder(address))


def experiments_kind_folder(kind: str) -> str:
    """Return the folder of all experiments of a kind."""
    return _in_experiments(history_kind_folder(kind))


def _in_experiments(path: str) -> str:
    return f"{EXPERIMENTS_PREFIX}{path.removeprefix(_HISTORY_PREFIX)}"


def unfinished_path(run: str) -> str:
    """Return the path of the file that names an experiment whose end is not recorded."""
    return f"{UNFINISHED_PREFIX}{_quote_path_component(run)}.json"


def run_id_of(path: str) -> str:
    """Return the id of the run at a path."""
    return unquote(path.rpartition("/")[2].removesuffix(".json"))


def folder_of(path: str) -> str:
    """Return the `history_folder` that a version or a run at a path is in."""
    return path.rsplit("/", 2)[0] + "/"


def _hash_prefix(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:2]


def _quote_path_component(name: str) -> str:
    """Return a name as one path component, also if it is ``.`` or ``..``."""
    return quote(name, safe="").replace(".", "%2E")

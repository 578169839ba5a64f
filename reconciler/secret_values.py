"""Values of secrets, read where they are used: from the environment, a file, or the keyring of the system.

``keyring`` is loaded by name: it is an extra; so is ``ctypes``, which few commands need.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from reconciler.diagnostics import UserError, user_error
from reconciler.model.secret_bindings import SecretBinding
from reconciler.regular_files import read_regular_file

_MAX_BYTES = 100_000
_VARIABLE_SOURCE = re.compile(rb"\benv:([A-Za-z_][A-Za-z0-9_]*)")
_NEEDED_VARIABLES = frozenset(
    {
        *("GITHUB_TOKEN", "GH_TOKEN", "HOME", "LANG", "PATH", "PYTHONPATH", "TMPDIR", "USER"),
        *("MLGIT_CACHE_DIR", "MLGIT_GIT_TIMEOUT", "MLGIT_HOST", "MLGIT_INSTALLATION", "MLGIT_NETWORK_TIMEOUT"),
        *("MLGIT_PIP_CONFIG", "MLGIT_RUN_FOLDER", "MLGIT_TARGET"),
    }
)
_NEEDED_PREFIXES = ("GIT_", "LC_", "SSH_", "XDG_")


def read_secret(binding: SecretBinding, folder: Path) -> str:
    """Return the value of a secret, without a line end behind it; a file is relative to a folder, that of mlgit.yml.

    Raises UserError ``secret-missing``, which names the secret and where it was looked for, never a value.
    """
    scheme, _, place = binding.source.partition(":")
    if scheme == "file":
        value: str | None = _read_file(binding, folder / place)
    else:
        value = _read_keyring(binding, place) if scheme == "keyring" else _read_variable(place)
    value = (value or "").removesuffix("\n").removesuffix("\r")
    if not value:
        raise _missing_error(binding, "it is not set" if scheme == "env" else "there is none")
    return value


def _read_file(binding: SecretBinding, path: Path) -> str:
    try:
        return read_regular_file(path, _MAX_BYTES).decode()
    except (OSError, ValueError) as error:
        raise _missing_error(binding, getattr(error, "strerror", None) or "it is not UTF-8 text") from error


def _read_keyring(binding: SecretBinding, place: str) -> str | None:
    service, _, user = place.rpartition("/")
    try:
        keyring = importlib.import_module("keyring")
    except ImportError as error:
        message = f"keyring:{place} needs the package keyring, which is not installed"
        raise user_error("extra-missing", message, "run `pip install 'mlgit[keyring]'`") from error
    try:
        value: str | None = keyring.get_password(service, user)
    except Exception as error:  # noqa: BLE001 - keyrings raise errors of their own, or of the system that they ask
        name = type(error).__name__
        reason = "this machine has no keyring" if name == "NoKeyringError" else f"the keyring cannot be used ({name})"
        raise _missing_error(binding, reason) from None
    return value


def take_from_environment(bindings: Iterable[SecretBinding]) -> None:
    """Remove the variables that secrets come from from the environment: no process that is started gets them.

    What they were set to is still what `read_secret` returns. What Git and mlgit itself need stays.
    """
    sources = (binding.source.partition(":") for binding in bindings)
    _take(place for scheme, _, place in sources if scheme == "env")


def take_from_environment_early(mlgit_yml: bytes) -> None:
    """Remove the variables that a file names as sources of secrets, before it is parsed: to read it may need Git."""
    _take(name.decode() for name in _VARIABLE_SOURCE.findall(mlgit_yml))


def _take(variables: Iterable[str]) -> None:
    for variable in variables:
        if variable in os.environ and not _is_needed(variable):
            _erase(variable)
            _taken[variable] = os.environ.pop(variable)


def _erase(variable: str) -> None:
    """Overwrite the value in the memory that the process was started with.

    The system shows that memory to all processes of the user, such as jobs, also once the variable is unset.
    """
    ctypes = importlib.import_module("ctypes")
    getenv = ctypes.CDLL(None).getenv
    getenv.argtypes, getenv.restype = [ctypes.c_char_p], ctypes.c_void_p
    if address := getenv(os.fsencode(variable)):
        ctypes.memset(address, 0, len(ctypes.string_at(address)))


def _is_needed(variable: str) -> bool:
    return variable in _NEEDED_VARIABLES or variable.startswith(_NEEDED_PREFIXES)


def is_in_environment(variable: str) -> bool:
    """Return True if a variable is set, or was until it was taken."""
    return bool(_read_variable(variable))


def _read_variable(name: str) -> str | None:
    return os.environ.get(name) or _taken.get(name)


_taken: dict[str, str] = {}  # variables by name


def _missing_error(binding: SecretBinding, reason: str) -> UserError:
    message = f"the secret {binding.name} cannot be read from {binding.source}: {reason}"
    return user_error("secret-missing", message, "set it, or correct secrets: in mlgit.yml")

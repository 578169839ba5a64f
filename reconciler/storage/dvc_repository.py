"""The data of a repository of DVC by its md5: in its cache, or on its remote, from where it is brought into the cache.

It takes most of a second to load and is imported by name, when an apply lacks data that DVC tracks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dvc.config import NoRemoteError
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.transfer import transfer

from reconciler.diagnostics import UserError, user_error
from reconciler.regular_files import open_regular_file
from reconciler.storage.datastores._causes import FAILED
from reconciler.storage.datastores._errors import Place, find_cause, first_words

_LOGGERS = ("dvc", "dvc_data", "dvc_objects")
_TRANSFER = threading.Lock()  # DVC logs what went wrong, and its loggers are one for all threads
_PUBLIC_SETTINGS = frozenset({"url", "endpointurl", "region", "profile", "account_name", "user", "port"})


class DvcObjects:
    """The objects of an open repository of DVC. ``target`` is what its commands take for the data, for messages."""

    def __init__(self, repository: Repo, target: str, remote: str) -> None:
        self._repository = repository
        self._cache = repository.cache.local
        self._target = target
        self._remote = remote or repository.config["core"].get("remote", "")

    def fetch(self, keys: Iterable[str]) -> None:
        """Bring objects into the cache that it lacks, in parallel; the list of a folder is one of them.

        Raises UserError ``dvc-no-remote``, ``dvc-remote`` or ``dvc-missing``.
        """
        lacking = self._find_lacking(keys)
        if not lacking:
            return
        with _TRANSFER, _collected_errors() as errors:
            try:
                remote = self._repository.cloud.get_remote_odb(self._remote or None, "pull")
                transfer(remote, self._cache, {HashInfo("md5", key) for key in lacking}, verify=remote.verify)
            except NoRemoteError as error:
                raise self._no_remote_error() from error
            except Exception as error:
                raise self._remote_error(error) from error
        lacking = self._find_lacking(lacking)
        if lacking and errors:
            raise self._remote_error(errors[0]) from errors[0]
        if lacking:
            raise self._missing_error(lacking)

    def open(self, key: str) -> BinaryIO:
        """Return an object of the cache as a stream. Raises UserError ``dvc-missing``."""
        try:
            return open_regular_file(Path(self._cache.oid_to_path(key)))
        except OSError as error:
            raise self._missing_error([key]) from error

    def _find_lacking(self, keys: Iterable[str]) -> list[str]:
        return [key for key in dict.fromkeys(keys) if not Path(self._cache.oid_to_path(key)).is_file()]

    def _no_remote_error(self) -> UserError:
        message = f"{self._target}: the cache of DVC lacks its data, and no remote of DVC is set"
        hint = f"run `dvc pull {self._target}` where the data is, or `dvc remote add -d NAME URL` and `dvc push` there"
        return user_error("dvc-no-remote", message, hint)

    def _remote_error(self, error: BaseException) -> UserError:
        settings = self._repository.config["remote"].get(self._remote, {})
        secrets = tuple(str(value) for name, value in settings.items() if name not in _PUBLIC_SETTINGS)
        cause = find_cause(error, Place(self._remote, "", "its credential", secrets))
        what = "cannot be used" if cause is FAILED else cause.what.format(credential="its credential")
        message = f"{self._target}: the DVC remote {self._remote} {what}: {first_words(error, secrets)}"
        return user_error("dvc-remote", message, f"`dvc pull {self._target}` must work on this machine")

    def _missing_error(self, keys: list[str]) -> UserError:
        objects = f"{keys[0]} and {len(keys) - 1} more" if len(keys) > 1 else keys[0]
        place = f"the DVC remote {self._remote}" if self._remote else "a remote of DVC"
        message = f"{self._target}: neither the cache of DVC nor {place} has {objects}"
        return user_error("dvc-missing", message, f"run `dvc push {self._target}` where the data is")


@contextmanager
def open_dvc_objects(folder: Path, target: str, remote: str = "") -> Iterator[DvcObjects]:
    """Open the repository of DVC in a folder. Raises UserError ``dvc-repository``."""
    try:
        repository = Repo(str(folder))
    except (DvcException, OSError) as error:
        message = f"{target}: the repository of DVC in {folder} cannot be opened: {first_words(error)}"
        raise user_error("dvc-repository", message, "`dvc status` must work there") from error
    try:
        yield DvcObjects(repository, target, remote)
    finally:
        repository.close()


class _Collector(logging.Handler):
    """Keeps the exceptions that are logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1]:
            self.errors.append(record.exc_info[1])


@contextmanager
def _collected_errors() -> Iterator[list[BaseException]]:
    """Collect what DVC logs of the files that it could not transfer, instead of having it printed with tracebacks."""
    collector = _Collector()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.propagate, logger.handlers) for logger in loggers]
    for logger in loggers:
        logger.propagate, logger.handlers = False, [collector]
    try:
        yield collector.errors
    finally:
        for logger, (propagate, handlers) in zip(loggers, before, strict=True):
            logger.propagate, logger.handlers = propagate, handlers

"""A datastore whose errors show no secret, whatever its driver raises."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO

from reconciler.diagnostics import UserError, user_error
from reconciler.model.datastores import Datastore, DatastoreEntry, Identity, ignores_case
from reconciler.storage.datastores._errors import hide_secrets

_BUFFER_BYTES = 1 << 20


class MaskedDatastore:
    """A datastore as another one; all that it raises is a UserError without the values of the secrets that it read.

    ``secret_values`` returns the values that were read so far.
    """

    def __init__(self, name: str, open_: Callable[[], Datastore], secret_values: Callable[[], Collection[str]]) -> None:
        self._name = name
        self._secret_values = secret_values
        with self._masking():
            self._datastore = open_()

    @property
    def location(self) -> str:
        return self._mask(self._datastore.location)

    @property
    def ignores_case(self) -> bool:
        return ignores_case(self._datastore)

    def check(self) -> None:
        with self._masking():
            self._datastore.check()

    def stat(self, path: str) -> DatastoreEntry:
        with self._masking():
            return self._datastore.stat(path)

    def list(self, path: str, *, recursive: bool = True) -> Iterator[DatastoreEntry]:
        with self._masking():
            yield from self._datastore.list(path, recursive=recursive)

    def open(self, path: str, identity: Identity | None = None) -> BinaryIO:
        with self._masking():
            stream = self._datastore.open(path, identity)
        return io.BufferedReader(_MaskedStream(stream, self._masking), _BUFFER_BYTES)

    def write(self, path: str, stream: BinaryIO) -> DatastoreEntry:
        with self._masking():
            return self._datastore.write(path, stream)

    def delete(self, path: str) -> None:
        with self._masking():
            self._datastore.delete(path)

    @contextmanager
    def _masking(self) -> Iterator[None]:
        """Replace what is raised, and hide its causes: a traceback would show their messages."""
        try:
            yield
        except UserError as error:
            texts = [f"{item.message}{item.hint}" for item in error.diagnostics]
            if all(self._mask(text) == text for text in texts) and error.__cause__ is None:
                raise
            masked = (
                item._replace(message=self._mask(item.message), hint=self._mask(item.hint))
                for item in error.diagnostics
            )
            raise UserError(*masked) from None
        except Exception as error:  # noqa: BLE001 - a driver may raise anything
            said = " ".join(self._mask(str(error)).split())
            message = f"datastore/{self._name} failed: {type(error).__name__}: {said}"
            hint = "report this to the authors of its type, or bind it to another one in mlgit.yml"
            raise user_error("datastore-failed", message, hint) from None

    def _mask(self, text: str) -> str:
        return hide_secrets(text, self._secret_values())


class _MaskedStream(io.RawIOBase):
    """The bytes of a file; what reading raises is masked."""

    def __init__(self, stream: BinaryIO, masking: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__()
        self._stream = stream
        self._masking = masking

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with self._masking():
            chunk = self._stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()

"""The files that a run logs: below one folder, whatever a client asks for."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from .errors import ApiError, invalid, missing


class Artifacts:
    """A folder of files with names as in a URL; no name leads out of it."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root.resolve()

    def find(self, name: str) -> Path:
        """Tell where a file or folder of that name is or would be."""
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or "\0" in name:
            raise invalid(f"{name!r} is no path of an artifact")
        path = self._root.joinpath(*parts)
        if not path.resolve().is_relative_to(self._root):
            raise invalid(f"{name!r} leads out of the artifacts' folder")
        return path

    def save(self, name: str, content: BinaryIO) -> None:
        """Keep a file; it appears when it is complete."""
        path = self.find(name)
        if path == self._root:
            raise invalid("an artifact needs a name")
        temporary = self._root / f".{uuid.uuid4().hex}"
        try:
            with temporary.open("wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(path)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise invalid(f"{name!r} cannot be an artifact: another one is in its way") from error
        finally:
            temporary.unlink(missing_ok=True)

    def open(self, name: str) -> BinaryIO:
        path = self.find(name)
        if not path.is_file():
            raise missing(f"there is no artifact {name!r}")
        return path.open("rb")

    def delete(self, name: str) -> None:
        path = self.find(name)
        if path == self._root or not path.exists():
            raise missing(f"there is no artifact {name!r}")
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    def list(self, base: str, name: str = "") -> list[dict[str, Any]]:
        """List what lies in ``base/name``, with paths as seen from ``base``; MLflow's FileInfo."""
        root = self.find(base)
        folder = self.find(f"{base}/{name}" if base else name)
        if not folder.is_dir():
            return []
        return [_info(each, root) for each in sorted(folder.iterdir()) if not each.name.startswith(".")]


def _info(path: Path, root: Path) -> dict[str, Any]:
    info: dict[str, Any] = {"path": path.relative_to(root).as_posix(), "is_dir": path.is_dir()}
    return info if path.is_dir() else {**info, "file_size": path.stat().st_size}


def truncated() -> ApiError:
    """Make the refusal of an upload that broke off, ready to raise."""
    return ApiError("BAD_REQUEST", "the upload ended before all of it had come")

"""The artifacts that a run logs: files below one folder, which no path of a client can leave."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from ..files import new_id  # noqa: TID252 - this package is shipped under another name
from .errors import ApiError, invalid_value_error, not_found_error


class ArtifactStore:
    """A folder of files, named by relative paths with slashes."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root.resolve()

    def resolve_path(self, name: str) -> Path:
        """Return the path of an artifact, whether it exists or not; raises ApiError if it leads out of the folder."""
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or "\0" in name:
            raise invalid_value_error(f"{name!r} is not the path of an artifact")
        path = self._root.joinpath(*parts)
        if not path.resolve().is_relative_to(self._root):
            raise invalid_value_error(f"{name!r} leads out of the folder of the artifacts")
        return path

    def save_file(self, name: str, content: BinaryIO) -> None:
        """Store a file; it appears under its name when it is complete."""
        path = self.resolve_path(name)
        if path == self._root:
            raise invalid_value_error("an artifact must have a name")
        temporary = self._root / f".{new_id()}"
        try:
            with temporary.open("wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(path)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise invalid_value_error(
                f"{name!r} cannot be stored: another artifact has a path that conflicts"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)

    def open_file(self, name: str) -> BinaryIO:
        path = self.resolve_path(name)
        if not path.is_file():
            raise not_found_error(f"there is no artifact {name!r}")
        return path.open("rb")

    def delete(self, name: str) -> None:
        path = self.resolve_path(name)
        if path == self._root or not path.exists():
            raise not_found_error(f"there is no artifact {name!r}")
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    def list_files(self, base: str, name: str = "") -> list[dict[str, Any]]:
        """Return the files of ``base/name`` as MLflow's FileInfo, with paths relative to ``base``."""
        root = self.resolve_path(base)
        folder = self.resolve_path(f"{base}/{name}" if base else name)
        if not folder.is_dir():
            return []
        return [_file_info(path, root) for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def _file_info(path: Path, root: Path) -> dict[str, Any]:
    info: dict[str, Any] = {"path": path.relative_to(root).as_posix(), "is_dir": path.is_dir()}
    return info if path.is_dir() else {**info, "file_size": path.stat().st_size}


def truncated_upload_error() -> ApiError:
    """Return the error of an upload that broke off, ready to raise."""
    return ApiError("BAD_REQUEST", "the upload is incomplete")

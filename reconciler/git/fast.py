"""What a repository holds, at a glance: Git's own commands and nothing else, for answers that are known already.

Loading GitPython takes longer than all that is asked here; whoever finds more to do opens the repository for real.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# As in git.repository: a clone's settings run no script of the repository, and nothing is kept for later.
_SAFE_CONFIG = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.untrackedCache=false")
_GIT_COMMAND = ["git", *(part for setting in _SAFE_CONFIG for part in ("-c", setting))]


@dataclass(frozen=True, slots=True)
class FastRepository:
    """A repository with a work tree: its top, the folder of the work tree's own files, that of what all share."""

    top: Path
    git_dir: Path
    common: Path

    def resolve_objects(self, names: Sequence[str]) -> list[str]:
        """Return the object that each name stands for, "" for none, in one process."""
        asked = "".join(f"{name}\n" for name in names)
        lines = _run_git(["cat-file", "--batch-check=%(objectname)"], self.top, asked).splitlines()
        return ["" if line.endswith((" missing", " ambiguous")) else line for line in lines]

    def write_work_tree(self, without: Sequence[str]) -> str:
        """Return the tree that the work tree makes, as ``Repository.work_tree`` does; it is not kept."""
        with tempfile.TemporaryDirectory(prefix="mlgit-glance-") as folder:
            index = Path(folder) / "index"
            if (self.git_dir / "index").exists():
                shutil.copy2(self.git_dir / "index", index)
            objects = os.environ.get("GIT_OBJECT_DIRECTORY") or str(self.common / "objects")
            quoted = objects.replace("\\", "\\\\").replace('"', '\\"')
            known = os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")
            aside = {
                "GIT_INDEX_FILE": str(index),
                "GIT_OBJECT_DIRECTORY": f"{folder}/objects",
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.pathsep.join(filter(None, [f'"{quoted}"', known])),
            }
            (Path(folder) / "objects").mkdir()
            left_out = [f":(top,exclude,literal){each}" for each in without if not self._is_ignored(each)]
            _run_git(["add", "--all", "--", ":/", *left_out], self.top, env=aside)
            return _run_git(["write-tree"], self.top, env=aside).strip()

    def _is_ignored(self, path: str) -> bool:
        """Tell whether Git leaves a path out by itself; it takes offence where it is told to do so once more."""
        command = [*_GIT_COMMAND, "check-ignore", "--quiet", "--", str(self.top / path)]
        return subprocess.run(command, cwd=self.top, check=False, capture_output=True).returncode == 0


def find_fast_repository(start: Path) -> FastRepository:
    """Find the repository that a folder is in; a CalledProcessError where there is none with a work tree."""
    asked = ["rev-parse", "--path-format=absolute", "--show-toplevel", "--git-dir", "--git-common-dir"]
    return FastRepository(*(Path(line) for line in _run_git(asked, start).splitlines()))


def _run_git(arguments: list[str], folder: Path, asked: str = "", env: Mapping[str, str] | None = None) -> str:
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(
        [*_GIT_COMMAND, *arguments],
        cwd=folder,
        input=asked,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout

"""GitHub Actions on this machine: act in host mode, a server for Git beside it, and GitHub's own actions replaced.

What is replaced is listed in docs/ci.md: GitHub's actions by those of ``actions/``; ``uses: $/...``, which act does not
know, by the repository and commit that it stands for; and two keys that act refuses are left out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ACT = shutil.which("act", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
MISSING = "" if ACT else "act is not installed"

ACTIONS = f"acme/mlgit@{'a' * 40}"  # what mlgit's own repository is called here
_CHECKOUT = Path(__file__).parent.parent.parent
_REPLACED = Path(__file__).parent / "actions"
_PARTS = (".github", "reconciler", "schemas", "workspace-template", "docs/diagnostics.md", "requirements-ci.lock")
# Variables of a real workflow run that contains these tests must not reach the runs of act.
_OUTER = re.compile(r"(GITHUB|RUNNER|ACTIONS|MLGIT|PYTHON|COV)_|PYTHON|CI$")


@dataclass(frozen=True)
class Run:
    """How a workflow run ended, and what it printed."""

    code: int
    log: str

    def jobs(self) -> Mapping[str, bool]:
        """Return which jobs succeeded, by their names on GitHub: ``review / plan``."""
        found = re.findall(r"(?m)^\[([\w-]+)/[^/\]]+/([\w-]+) *\] +\S+ +Job (succeeded|failed)", self.log)
        return {f"{caller} / {name}": result == "succeeded" for caller, name, result in found}


@dataclass(frozen=True)
class Act:
    """A repository on a GitHub of this machine."""

    folder: Path
    cache: Path  # for this mlgit, and what act keeps of actions
    server: str
    api: str
    repository: str

    @property
    def storage(self) -> Path:
        """The folder with artifacts, caches and SARIF files."""
        return self.folder / "storage"

    def run(  # noqa: PLR0913 - a run has all of these
        self,
        clone: Path,
        event: str,
        payload: Mapping[str, Any],
        *,
        ref: str,
        token: str,
        run_id: int,
        workflow: str,
        variables: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Run:
        """Run the workflows of a clone, at its HEAD, for an event; ``workflow`` is the file of the one that runs."""
        assert ACT
        workflows = _copy_workflows(clone / ".github/workflows", self.folder / f"workflows-{run_id}")
        (self.folder / "event.json").write_text(json.dumps(payload), "utf-8")
        run_environment = {
            "GITHUB_SERVER_URL": self.server,
            "GITHUB_API_URL": self.api,
            "GITHUB_REPOSITORY": self.repository,
            "GITHUB_REF": ref,
            "GITHUB_RUN_ID": str(run_id),
            "GITHUB_WORKFLOW_REF": f"{self.repository}/.github/workflows/{workflow}@{ref}",
            "RUNNER_ENVIRONMENT": "self-hosted",
            "ACT_STORAGE": str(self.storage),
            "TERM": "dumb",  # act gives its steps a terminal, GitHub does not
            **(environment or {}),
        }
        command = [
            *(ACT, event, "--directory", str(clone), "--workflows", str(workflows)),
            *("--eventpath", str(self.folder / "event.json"), "--action-cache-path", str(self.cache / "act")),
            *("--no-skip-checkout", "--no-cache-server", "--action-offline-mode", "--pull=false"),
            *("--platform", "ubuntu-latest=-self-hosted", "--platform", "self-hosted=-self-hosted"),
            *("--secret", f"GITHUB_TOKEN={token}"),
            *_options("--env", run_environment),
            *_options("--var", variables or {}),
            *_options("--local-repository", self._local_repositories()),
        ]
        outer = {name: value for name, value in os.environ.items() if not _OUTER.match(name)}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        inherited = {name: os.environ[name] for name in ("MLGIT_CACHE_DIR",) if name in os.environ}
        ended = subprocess.run(
            command,
            env={**outer, **inherited, "PATH": path, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Run(ended.returncode, ended.stdout)

    def _local_repositories(self) -> Mapping[str, str]:
        """Return the folder for each repository at a commit that a workflow of mlgit uses."""
        own = self.cache / "mlgit"
        if not own.exists():
            _copy_own_repository(own)
        texts = [path.read_text("utf-8") for path in (own / ".github").rglob("*.yml")]
        used = {match for text in texts for match in re.findall(r"uses: ([\w-]+/[\w-]+)[\w/-]*@(\w+)", text)}
        folders = {f"{name}@{commit}": str(_REPLACED / name) for name, commit in used if (_REPLACED / name).exists()}
        return {f"{self.server}/{key}": folder for key, folder in {**folders, ACTIONS: str(own)}.items()}


def _options(option: str, values: Mapping[str, str]) -> Sequence[str]:
    return [part for name, value in values.items() for part in (option, f"{name}={value}")]


def _copy_own_repository(target: Path) -> None:
    """Copy what the actions need of this checkout, and write their own repository and commit for ``$``."""
    for part in _PARTS:
        source = _CHECKOUT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / part)
    _copy_workflows(_CHECKOUT / ".github/workflows", target / ".github/workflows")


def _copy_workflows(source: Path, target: Path) -> Path:
    """Write workflows as act reads them."""
    repository, _, commit = ACTIONS.partition("@")
    target.mkdir(parents=True, exist_ok=True)
    for path in source.glob("*.yml"):
        text = re.sub(r"uses: \$/(\S+)", rf"uses: {repository}/\1@{commit}", path.read_text("utf-8"))
        (target / path.name).write_text(re.sub(r"(?m)^\s*(cache-mode: \w+|queue: max)\n", "", text), "utf-8")
    return target

"""The pipeline of twenty steps, and twelve edits of its files: what is done about each, and which steps run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from workspaces import commit, edit, git

TWENTY = Path(__file__).parent / "twenty"
TUNED = Path(__file__).parent / "tuned"  # a sweep between two steps
PIPELINE, TRAIN, SCORE = "jobs/twenty.yml", "components/train.yml", "components/score.yml"
STORED = "azureml://datastores/workspaceblobstore/paths"


class Replacement(NamedTuple):
    """A text that a file has once, and what takes its place."""

    path: str
    old: str
    new: str


class Edit(NamedTuple):
    """An edit, in words and as replacements; ``executed`` are the steps that run, None if nothing is submitted."""

    name: str
    replacements: tuple[Replacement, ...]
    executed: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return self.name


TRAINED = ("train_a", "train_b", "train_c")
SCORED = ("score_a", "score_b", "score_c")
OUTPUT = "report: {type: uri_folder"
PATH_EDIT = Edit(
    "the path of an output", (Replacement(PIPELINE, f"{OUTPUT}}}", f'{OUTPUT}, path: "{STORED}/${{{{name}}}}"}}'),), ()
)
EDITS = (
    Edit("a comment", (Replacement(PIPELINE, "name: twenty\n", "name: twenty  # of steps\n"),)),
    Edit("the compute", (Replacement(PIPELINE, "azureml:local", "azureml:large"),)),
    Edit("a timeout", (Replacement(PIPELINE, "  both:\n", "  both:\n    limits: {timeout: 60}\n"),)),
    Edit("`force_rerun` alone", (Replacement(PIPELINE, "settings:\n", "settings:\n  force_rerun: true\n"),)),
    Edit(
        "another version of an input, with equal bytes",
        (Replacement("data/numbers.yml", '"1"', '"2"'), Replacement(PIPELINE, "numbers:1", "numbers:2")),
    ),
    Edit(
        "a default, where the node gives a value",
        (Replacement("components/report.yml", "default: Report", "default: Summary"),),
        (),
    ),
    PATH_EDIT,
    Edit(
        "a byte of the code",
        (Replacement("src/train/train.py", "BIAS = 1", "BIAS = 2"),),
        (*TRAINED, *SCORED, "compare", "pack"),
    ),
    Edit(
        "the tag of an image",
        (Replacement(SCORE, '"python:3.11"', '"python:3.11-slim"'),),
        SCORED,  # what they write is equal, and so are the steps that read it
    ),
    Edit("an environment variable", (Replacement(PIPELINE, '"10"', '"11"'),), ("spread", "pack")),
    Edit(
        "an additional include",
        (Replacement("shared/rounding.py", "DIGITS = 3", "DIGITS = 1"),),
        (*SCORED, "compare", "pack"),
    ),
    Edit(
        "`is_deterministic: false`",
        (Replacement(TRAIN, "type: command\n", "type: command\nis_deterministic: false\n"),),
        TRAINED,
    ),
)


def read_files(folder: Path = TWENTY) -> dict[str, str]:
    """Return the files of the workspace by their paths."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in paths}


def edited(files: Mapping[str, str], change: Edit) -> dict[str, str]:
    """Return files with an edit."""
    result = dict(files)
    for path, old, new in change.replacements:
        assert result[path].count(old) == 1, f"{path} has {result[path].count(old)} times {old}"
        result[path] = result[path].replace(old, new)
    return result


def edit_lines(change: Edit) -> Iterator[str]:
    """Yield what an edit does to each of its files, in a line."""
    for path, old, new in change.replacements:
        yield (
            f"{path}: + {new[len(old) :].strip()}" if new.startswith(old) else f"{path}: {old.strip()} -> {new.strip()}"
        )


def make_repository(folder: Path, workspace: Path = TWENTY) -> Path:
    """Make a repository of a workspace, committed."""
    shutil.copytree(workspace, folder, ignore=shutil.ignore_patterns("__pycache__"))
    git(folder, "init", "--quiet")
    commit(folder, "start")
    return folder


def commit_edit(folder: Path, change: Edit) -> None:
    """Edit the files of a repository, and commit that."""
    for replacement in change.replacements:
        edit(folder, *replacement)
    commit(folder, change.name)

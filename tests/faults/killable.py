"""mlgit that is killed at a chosen step: ``killable.py STEPS_FILE NUMBER ARGUMENT...``.

The steps of a command are counted: before and after every push, update of refs, journal line, submission, build and
object that is stored or removed, and folder that is removed. With the number 0 nothing is killed; the steps are
appended to the file in any case.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path

from reconciler import cli
from reconciler.backends import _folders, _local, _run_folders
from reconciler.builders import _venv
from reconciler.git import refs, remotes
from reconciler.state import journal
from reconciler.storage import entries, objects

STEPS_FILE, KILL_AT = Path(sys.argv[1]), int(sys.argv[2])
_numbers = itertools.count(1)


def step(description):
    number = next(_numbers)
    with STEPS_FILE.open("a") as file:
        file.write(f"{number} {description}\n")
    if number == KILL_AT:
        os.kill(os.getpid(), signal.SIGKILL)


def count_steps(owner, name):
    """Put a step before and one after a function of a module or class."""
    original = getattr(owner, name)

    def with_steps(*arguments, **options):
        step(f"before {name}")
        try:
            return original(*arguments, **options)
        finally:
            step(f"after {name}")

    setattr(owner, name, with_steps)


for owner, name in (
    (refs, "update_refs"),
    (remotes, "push_refs"),
    (journal.Journal, "append"),
    (_local.LocalBackend, "submit"),
    (_local, "start"),
    (_venv.VenvBuilder, "build"),
    (objects.ObjectFiles, "_publish_object"),
    (objects, "remove_if_old"),
    (entries.NamedEntries, "delete"),
    (_folders, "remove_run_folder"),
    (_run_folders, "remove_folder"),
):
    count_steps(owner, name)

sys.argv = ["mlgit", *sys.argv[3:]]
cli.run_command_line()

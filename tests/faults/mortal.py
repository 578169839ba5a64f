"""mlgit that dies at a chosen moment: ``mortal.py COUNTER NUMBER ARGUMENT...`` kills itself at that step.

Steps are counted through an apply: before and after every push, write of a ref, journal line, submission, build and
object that is stored. With 0 nobody dies; either way the number of steps is left in the file COUNTER.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path

from reconciler import cli
from reconciler.backends import local
from reconciler.builders import venv
from reconciler.git import refs, remotes
from reconciler.state import journal
from reconciler.storage import objects

COUNTER, FATAL = Path(sys.argv[1]), int(sys.argv[2])
_steps = itertools.count(1)


def step(what):
    number = next(_steps)
    with COUNTER.open("a") as file:
        file.write(f"{number} {what}\n")
    if number == FATAL:
        os.kill(os.getpid(), signal.SIGKILL)


def mortal(place, name):
    """Put a step before and one after a function."""
    living = getattr(place, name)

    def steps(*arguments, **options):
        step(f"before {name}")
        try:
            return living(*arguments, **options)
        finally:
            step(f"after {name}")

    setattr(place, name, steps)


for place, name in (
    (refs, "update_refs"),
    (remotes, "push_refs"),
    (journal.Journal, "append"),
    (local.LocalBackend, "submit"),
    (local, "_start_supervisor"),
    (venv.VenvBuilder, "build"),
    (objects.ObjectFiles, "_publish_object"),
):
    mortal(place, name)

sys.argv = ["mlgit", *sys.argv[3:]]
cli.run()

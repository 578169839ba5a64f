"""``python -m reconciler`` is ``mlgit``."""

from reconciler.cli import run

run()

"""``python -m reconciler`` is ``mlgit``."""

from reconciler.cli import run_command_line

run_command_line()

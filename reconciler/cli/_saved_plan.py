"""mlgit show of a saved plan."""

from __future__ import annotations

from pathlib import Path

from reconciler.abbreviation import abbreviate_id
from reconciler.cli.console import echo, echo_line, print_coloured_lines
from reconciler.planning.saved import dump_plan_file
from reconciler.project.saved_plan import read_saved_plan
from reconciler.render import text


def print_saved_plan(file: Path, form: str) -> None:
    """Print a saved plan as it was shown when it was made."""
    saved = read_saved_plan(file)
    if form == "json":
        echo(dump_plan_file(saved), nl=False)
        return
    print_coloured_lines(text.format_plan_body(saved.body))
    envelope = saved.envelope
    changes = " with uncommitted changes" if envelope["dirty"] else ""
    commit = f"{abbreviate_id(envelope['commit'])}{changes}"
    origin = f"Made from commit {commit} at {envelope['made_at']} by mlgit {envelope['tool']}."
    echo()
    echo_line(origin)

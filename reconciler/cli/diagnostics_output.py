"""Print diagnostics to standard output in the requested format."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler import __version__
from reconciler.cli.console import echo, echo_workflow_commands
from reconciler.diagnostics import Diagnostic
from reconciler.render import plan_json, text
from reconciler.render.github import diagnostics_to_github
from reconciler.render.masked_diagnostics import mask_diagnostics
from reconciler.render.sarif import diagnostics_to_sarif


def print_diagnostics(  # noqa: PLR0913 - what is printed, and how
    diagnostics: Sequence[Diagnostic],
    file_count: int,
    form: str,
    read_lines: text.SourceLineReader,
    *,
    unknown_count: int = 0,
    is_support_checked: bool = True,
) -> None:
    """Print the diagnostics of ``file_count`` files in the format ``form``; more files are of an unknown kind."""
    diagnostics = mask_diagnostics(diagnostics, read_lines)
    match form:
        case "json":
            document = plan_json.diagnostics_to_json(diagnostics, file_count)
            counts = {"unknown_files": unknown_count, "support_checked": is_support_checked}
            echo(plan_json.dump_json(document | counts))
        case "sarif":
            echo(plan_json.dump_json(diagnostics_to_sarif(diagnostics, __version__)))
        case "github":
            echo_workflow_commands(diagnostics_to_github(diagnostics))
        case _:
            if diagnostics:
                echo(text.format_diagnostics(diagnostics, read_lines))
            summary = text.format_validation_summary(diagnostics, file_count, unknown_count)
            unchecked = "" if is_support_checked else " Support not checked: there is no mlgit.yml."
            echo(f"{summary}{unchecked}")

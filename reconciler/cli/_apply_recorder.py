"""What an apply of a CI system did, written to files in any case: also after an error or an interruption."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

import click

from reconciler.cli.session import reported_diagnostics
from reconciler.diagnostics import Diagnostic, UserError, has_errors
from reconciler.engine.request import ApplyFollower, ApplyResult
from reconciler.git.repository import Repository, open_repository
from reconciler.model import Event
from reconciler.planning.apply_report import ApplyReport, ApplyVerdict, ReviewDifference
from reconciler.planning.report import Report
from reconciler.project.apply_report import ApplyEnd, make_apply_report
from reconciler.project.prepare import PreparedApply
from reconciler.project.report_files import write_report_files
from reconciler.project.session import Session
from reconciler.render.result_json import dump_result
from reconciler.render.result_markdown import result_markdown

_COUNTING_CODES = ("files-wrong", "policy-refused")


class ApplyRecorder:
    """Follows one apply. Its files are written at the end of the ``with`` block, if there is a folder for them."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._events: list[Event] = []
        self._result: ApplyResult | None = None
        self.session: Session | None = None
        self.reports: Sequence[Report] = ()
        self.prepared: PreparedApply | None = None
        self.differences: tuple[ReviewDifference, ...] = ()
        self.note = ""
        self.exit_code = 1

    @property
    def follower(self) -> ApplyFollower:
        """What an apply tells of its events and its result."""
        return ApplyFollower(self._events.append, self._set_result)

    def _set_result(self, result: ApplyResult) -> None:
        self._result = result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._folder is None:
            return
        errors = _with_reported_errors(error.diagnostics) if isinstance(error, UserError) else ()
        is_interrupted = isinstance(error, click.Abort | KeyboardInterrupt)
        is_failed = self.exit_code != 0 or (error is not None and not errors and not is_interrupted)
        end = ApplyEnd(
            self._events,
            self._result,
            self.reports,
            self.differences,
            errors,
            self.note,
            is_failed=is_failed,
            is_interrupted=is_interrupted,
        )
        if self.session is None:  # mlgit.yml cannot be used, or there is no workspace
            with closing(open_repository(Path.cwd())) as repository:
                self._write(repository, ApplyReport(repository.head(), ApplyVerdict.REFUSED, errors=errors))
        else:
            report = make_apply_report(self.session, self.prepared, end)
            self._write(self.session.workspace.repository, report)

    def _write(self, repository: Repository, report: ApplyReport) -> None:
        if self._folder is not None:
            files = {"result.json": dump_result(report), "result.md": result_markdown(report)}
            write_report_files(repository, self._folder, files)


def _with_reported_errors(errors: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return the errors that ended a command; an error that only counts those of files or policies comes after them."""
    counted = [item for item in reported_diagnostics() if has_errors([item])]
    return (*counted, *errors) if any(error.code in _COUNTING_CODES for error in errors) else tuple(errors)

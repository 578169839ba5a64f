"""What the accounting of a Slurm cluster says of jobs that its controller has forgotten, if the cluster keeps one.

The controller forgets a job minutes after its end; slurmdbd knows for months how it has ended.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Mapping

from reconciler.backends._slurm_commands import SlurmError, call, find_command
from reconciler.backends._slurm_states import ACCOUNT_FORMAT, Job, parse_accounted_jobs
from reconciler.diagnostics import UserError, user_error

_IS_KEPT = re.compile(r"^AccountingStorageType\s*=\s*accounting_storage/slurmdbd\s*$", re.MULTILINE)
_SECONDS = 20.0  # that sacct has for an answer
_PAUSE_SECONDS = 10.0  # before it is asked again after it gave none
_MARGIN_SECONDS = 3600.0  # by which clocks of the cluster may differ
_MOST_NAMES = 2000  # that one argument has room for


class Accounting:
    """Asks slurmdbd by one ``sacct`` for all; whether there is one is asked once, when it is needed."""

    def __init__(self) -> None:
        self._is_kept: bool | None = None
        self._asked_again = 0.0
        self._problem = ""

    def find_ended(self, submitted: Mapping[str, float]) -> Mapping[str, Job]:
        """Return those jobs of this user that have ended, by name, of names with their times in seconds since 1970.

        Raises UserError ``backend-unreachable`` if the accounting does not answer: its jobs are not gone.
        """
        if not submitted:
            return {}
        if time.monotonic() < self._asked_again:
            raise user_error("backend-unreachable", self._problem)
        try:
            return self._ask(submitted) if self._has_accounting() else {}
        except (SlurmError, UserError) as error:
            said = error.diagnostics[0].message if isinstance(error, UserError) else str(error)
            self._problem = f"the accounting of Slurm on {os.uname().nodename} does not answer: {said}"
            self._asked_again = time.monotonic() + _PAUSE_SECONDS
            raise user_error("backend-unreachable", self._problem, "check it there with sacct") from error

    def _has_accounting(self) -> bool:
        if self._is_kept is None:
            kept = _IS_KEPT.search(call("scontrol", "show", "config"))
            self._is_kept = kept is not None and find_command("sacct") is not None
        return self._is_kept

    def _ask(self, submitted: Mapping[str, float]) -> Mapping[str, Job]:
        seconds = math.ceil(max(0.0, time.time() - min(submitted.values())) + _MARGIN_SECONDS)
        wanted = [f"--name={','.join(sorted(submitted))}"] if len(submitted) <= _MOST_NAMES else []
        # Of this user and of a time, by which the database is sorted; ids of jobs begin again on some clusters.
        text = call(
            "sacct",
            *("--noheader", "--parsable2", "--allocations", "--duplicates", f"--user={os.getuid()}"),
            *(f"--starttime=now-{seconds}seconds", f"--format={ACCOUNT_FORMAT}", *wanted),
            seconds=_SECONDS,
        )
        jobs = parse_accounted_jobs(text)
        return {name: jobs[name] for name in submitted if name in jobs and not jobs[name].is_active}

"""What Slurm says of jobs: which there are, what one waits for, and how one has ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reconciler.backends._runner import explain_start

JOB_FORMAT = "%i|%j|%T|%P|%r"  # in this order, the reason last: it can have any character
_FIELDS = 5
ACCOUNT_FORMAT = "Submit,JobID,JobName,State,Partition,ExitCode,Reason"  # as JOB_FORMAT, of sacct
_ACCOUNT_FIELDS, _NO_EXIT = 7, "0:0"
FINAL_STATES = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
        *("REQUEUED", "REVOKED", "TIMEOUT"),
    }
)
TIMEOUT_STATES, CANCELED_STATES = frozenset({"TIMEOUT", "DEADLINE"}), frozenset({"CANCELLED", "REVOKED"})
REQUEUED_STATE = "REQUEUED"
LOST_STATES = frozenset({"NODE_FAIL", "BOOT_FAIL", "PREEMPTED", REQUEUED_STATE})
MEMORY_STATE = "OUT_OF_MEMORY"
_CAUSES = {
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node did not start",
    "PREEMPTED": "it was preempted by another job",
    REQUEUED_STATE: "its job was requeued, and is not begun again",
}
_NOT_LAUNCHED = (
    "its node could not start it, perhaps as it does not see folder: of the backend, which all nodes must see under "
    "the same path (JobLaunchFailure)"
)
_KILLED = "its batch script was killed on its node"
# What Slurm says then: since 23.02, before, and in its accounting.
_SIGNALED, _LAUNCH_FAILURE, _SIGNAL_EXIT = "RaisedSignal", "JobLaunchFailure", "ExitCode 0:"
_NO_REASONS = frozenset({"", "None", "NonZeroExitCode"})
_WAITS = {
    "None": "waits for the scheduler of Slurm",
    "Priority": "waits until jobs before it have started",
    "Resources": "waits for resources that are in use",
    "Reservation": "waits for its reservation to begin",
    "Licenses": "waits for a license",
    "BeginTime": "waits for the time at which it may begin",
    "Prolog": "waits for its node to be prepared",
    "ReqNodeNotAvail": "waits for nodes that are down, drained or reserved: ask who runs the cluster (sinfo -R)",
    "NodeDown": "waits for nodes that are down: ask who runs the cluster (sinfo -R)",
    "PartitionDown": "waits for its partition, which is down: ask who runs the cluster (sinfo)",
    "PartitionInactive": "waits for its partition, which takes no jobs now: ask who runs the cluster (sinfo)",
    "JobHeldUser": "is held: release it with scontrol release",
    "JobHeldAdmin": "is held by who runs the cluster",
}
_NEVER = {
    "PartitionTimeLimit": "its time limit is above that of the partition; lower limits.timeout, or set time: there",
    "PartitionNodeLimit": "its partition allows no job of so many nodes; lower resources.instance_count of the job",
    "PartitionConfig": "the partition has no node with what it asks for; correct cpus:, memory: or gres: in mlgit.yml",
    "BadConstraints": "no node has what it asks for; correct constraint:, cpus:, memory: or gres: in mlgit.yml",
    "AccountNotAllowed": "the partition does not take its account; correct account: or partition: in mlgit.yml",
    "AccountingPolicy": "it is above a limit of its account; ask who runs the cluster",
    "InvalidAccount": "its account is unknown; correct account: in mlgit.yml",
    "InvalidQOS": "its qos is unknown; correct qos: in mlgit.yml",
    "QOSNotAllowed": "the partition does not take its qos; correct qos: or partition: in mlgit.yml",
    "DependencyNeverSatisfied": "what it depends on has failed",
}
_LIMIT_PREFIXES, _NEVER_SUFFIX = ("QOS", "Assoc"), "PerJobLimit"


class Job(NamedTuple):
    """A job by the number that Slurm gives it; ``state`` and ``reason`` are Slurm's words.

    Only accounting knows how its script has ended, as in ``ExitCode 3:0``, and ``user``, the id of who canceled it.
    """

    number: str
    name: str
    state: str
    partition: str
    reason: str
    exit: str = ""
    user: str = ""

    @property
    def is_active(self) -> bool:
        """True if it waits, runs, or is about to end."""
        return self.state not in FINAL_STATES

    @property
    def is_script_killed(self) -> bool:
        """True if its batch script was killed, and Slurm has ended it for that."""
        reason = self.reason == _LAUNCH_FAILURE or self.reason.startswith(_SIGNALED)
        return self.state == "FAILED" and (reason or self.exit.startswith(_SIGNAL_EXIT))


def parse_jobs(text: str) -> dict[str, Job]:
    """Return the jobs of a listing by name; of several with one name, one that runs or waits, else the last one."""
    jobs: dict[str, Job] = {}
    for line in text.splitlines():
        fields = line.split("|", _FIELDS - 1)
        if len(fields) == _FIELDS:
            job = Job(*fields)
            other = jobs.get(job.name)
            if other is None or _order(job) > _order(other):
                jobs[job.name] = job
    return jobs


def parse_accounted_jobs(text: str) -> dict[str, Job]:
    """Return the jobs of a listing of sacct by name; of several with one name, the one that was submitted last."""
    jobs: dict[str, Job] = {}
    for line in sorted(text.splitlines()):  # by the time of submission
        fields = line.split("|", _ACCOUNT_FIELDS - 1)
        if len(fields) == _ACCOUNT_FIELDS:
            _, number, name, state, partition, code, reason = fields
            state, _, user = state.partition(" by ")  # CANCELLED by 1000
            jobs[name] = Job(
                number, name, state, partition, reason, "" if code == _NO_EXIT else f"ExitCode {code}", user
            )
    return jobs


def stopped_state(text: str) -> str:
    """Return the state in which a job ends that Slurm stops, by what scontrol says meanwhile; "" for none."""
    fields = dict(word.partition("=")[::2] for word in text.split())
    if fields.get("Restarts", "0") != "0":
        return REQUEUED_STATE
    if fields.get("PreemptTime", "None") != "None":
        return "PREEMPTED"
    return "TIMEOUT" if fields.get("Reason") == "TimeLimit" else ""


def waiting_message(reason: str) -> str:
    """Return what a job waits for; one that never starts is said to."""
    name = reason.partition(",")[0].strip("() ")
    if name in _NEVER:
        return f"never starts: {_NEVER[name]} ({name})"
    if name.startswith(_LIMIT_PREFIXES):
        ends = "never starts: it is above" if name.endswith(_NEVER_SUFFIX) else "waits for"
        return f"{ends} a limit of its account or qos ({name})"
    return _WAITS.get(name, "waits") + (f" ({reason})" if name != "None" else "")


def end_message(job: Job | None, log: str, *, is_started: bool) -> str:
    """Return why a job has no result: as Slurm says, or the last line of what it has written."""
    if job is None:
        return "its job has left no result, and Slurm does not know it any more"
    if job.state in _CAUSES:
        return _CAUSES[job.state]
    if job.reason == _LAUNCH_FAILURE and not is_started:
        return _NOT_LAUNCHED
    if job.is_script_killed:
        return f"{_KILLED} ({job.reason if job.reason not in _NO_REASONS else job.exit})"
    reason = "" if job.reason in _NO_REASONS else job.reason
    words = ", ".join(filter(None, (job.state, reason, job.exit)))
    last = f": {explain_start(log)}" if log else ""
    return f"job {job.number} of Slurm ended without a result ({words}){last}"


def count_waiting(jobs: Iterable[Job], partition: str) -> int:
    """Return how many jobs wait in a partition."""
    return sum(job.state == "PENDING" and partition in job.partition.split(",") for job in jobs)


def _order(job: Job) -> tuple[bool, bool, int]:
    """Return what the one of several jobs with one name has most of: it is active, it runs, it is the last one."""
    digits = job.number.partition("_")[0]
    return job.is_active, job.state != "PENDING", int(digits) if digits.isdecimal() else 0

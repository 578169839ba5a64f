"""Jobs: run once for each fingerprint, adopted where that was done before, tried again only where it may be."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.model import LEFT, Address, Node, Op, Pending, Record, Run, Status, address_of
from reconciler.planning.decision import Decision, action, same_metadata
from reconciler.planning.drift import Way, way_of
from reconciler.planning.fingerprint import token
from reconciler.planning.outlook import Outlook, View, stuck, waits

_RECORDED = "when last recorded; --refresh asks, and `mlgit apply` records how it ended"
_ENDED = {Status.CANCELED: "was canceled", Status.LOST: "was lost"}


def run_id(address: Address, wanted: str) -> str:
    """Name a run: the job's last name and eight digits of its token."""
    return f"{address.name.rpartition('/')[2]}-{wanted[:8]}"


def attempts(view: View, node: Node) -> Iterator[Run]:
    """Yield the runs that were made with this fingerprint, first attempt first, whatever the job was called then."""
    record = view.live.current.get(node.asset.address)
    names = (node.asset.address, *map(address_of, record.formerly if record else ()))
    attempt = 1
    while run := next(filter(None, (_made(view, node, name, attempt) for name in names)), None):
        yield run
        attempt += 1


def _made(view: View, node: Node, name: Address, attempt: int) -> Run | None:
    """Return the run of one attempt under one of the job's names."""
    wanted = token(view.live.lineage, str(name), node.fingerprint, attempt)
    run = view.live.run(node.asset.address, run_id(name, wanted))
    return run if run is not None and run.token == wanted else None


def decide_run(view: View, node: Node, record: Record | None) -> Decision:
    """Say what follows for a job."""
    if node.known_after is not None:
        return _known_later(view, node, record)
    made = []
    for run in attempts(view, node):
        made.append(run)
        if _current(run, record) and node.asset.address not in view.policy.replace:
            return _completed(view, node, record, [run])  # whatever other attempts there were
    if node.asset.address in view.policy.replace:
        return _submit(view, node, record, made)
    if completed := [run for run in made if run.status is Status.COMPLETED]:
        return _completed(view, node, record, completed)
    if not made:
        return _submit(view, node, record, made) if node.asset.runs_on_change else _by_hand(node)
    return _unfinished(view, node, record, made)


def _current(run: Run, record: Record | None) -> bool:
    return record is not None and run.id == record.run and run.status is Status.COMPLETED


def _unfinished(view: View, node: Node, record: Record | None, made: list[Run]) -> Decision:
    last = made[-1]
    if last.status.active and last.backend not in view.policy.config.backends:
        return _out_of_reach(node, last)
    if _unwatched(last, record) or last.set_aside or _retried(view, made):
        return _submit(view, node, record, made)
    if last.status.active:
        seen = f"is {last.status}" if view.refreshed else f"was {last.status} {_RECORDED}"
        return _pending(node, last, f"run {last.id} {seen}", failed=False)
    return _pending(node, last, _failure(view, made), failed=True)


def _tries(made: list[Run]) -> int:
    """Count how often a job was tried: a run that mlgit set aside is no try that failed."""
    return sum(not each.set_aside for each in made)


def _retried(view: View, made: list[Run]) -> bool:
    """Tell whether a run that ended through no fault of the user's is tried again."""
    run, config = made[-1], view.policy.config
    left_alone = run.status is Status.LOST and way_of(config, run.address) is not Way.HEAL
    return run.retryable and _tries(made) <= config.retries and not left_alone


def _completed(view: View, node: Node, record: Record | None, completed: list[Run]) -> Decision:
    current = next((run for run in completed if record and run.id == record.run), completed[-1])
    outlook = Outlook(current.id, node.fingerprint, run=current)
    if record is None or record.archived or record.run != current.id or record.fingerprint != node.fingerprint:
        done = action(view, Op.ADOPT, node, record, run=current)
    elif not same_metadata(node, record):
        done = action(view, Op.UPDATE, node, record, run=current)
    else:
        return Decision(outlook)
    return Decision(Outlook(current.id, node.fingerprint, (done.key,), current), (done,))


def _submit(view: View, node: Node, record: Record | None, made: list[Run]) -> Decision:
    again = bool(made) and _unwatched(made[-1], record)
    attempt = made[-1].attempt + (not again) if made else 1
    wanted = token(view.live.lineage, str(node.asset.address), node.fingerprint, attempt)
    run = Run(
        id=run_id(node.asset.address, wanted),
        address=node.asset.address,
        token=wanted,
        fingerprint=node.fingerprint,
        attempt=attempt,
        backend=_backend(view, node),
        status=Status.INTENDED,
        spec=node.asset.spec,
        references=node.references,
        contents=node.contents,
    )
    done = action(view, Op.SUBMIT, node, record, version=run.id, run=run, reason=_why(view, made, again=again))
    outlook = Outlook(run.id, node.fingerprint, (done.key,), known_after=node.asset.address)
    return Decision(outlook, (done,))


def _unwatched(run: Run, record: Record | None) -> bool:
    """Tell a run that may go on without anybody looking: cut off when submitted, or superseded by another.

    Submitting it once more finds it by its token, so it is never executed twice.
    """
    superseded = record is None or record.latest != run.id
    return run.status is Status.INTENDED or (run.status.active and superseded)


def _why(view: View, made: list[Run], *, again: bool) -> str:
    if not made:
        return ""
    last = made[-1]
    if again:
        cut_off = last.status is Status.INTENDED
        return f"the submission of {last.id} was cut off" if cut_off else f"run {last.id} is wanted again"
    if last.set_aside:
        since = "the job left Git" if last.failure == LEFT else "another took its place"
        return f"run {last.id} was canceled when {since} (attempt {last.attempt + 1})"
    if last.retryable:
        happened = "was lost" if last.status is Status.LOST else f"failed ({last.failure})"
        tries = _tries(made)
        return f"attempt {tries} {happened} (attempt {tries + 1} of {view.policy.config.retries + 1})"
    return f"it was asked for again (attempt {last.attempt + 1})"


def _backend(view: View, node: Node) -> str:
    """Return the backend behind the job's compute; a job on a compute without one is a diagnostic."""
    config = view.policy.config
    named = next((each.address.name for pointer, each in node.references.items() if pointer == "/compute"), "")
    backend = config.backend_of(named or str(node.asset.spec.get("compute", "local")))
    if not backend:
        message = f"{node.asset.address} runs on {node.asset.spec.get('compute')}, which no backend stands behind"
        place = view.declared.documents[node.asset.source].value("/compute")
        hint = f"bind it in mlgit.yml: compute: {{{named or '*'}: BACKEND}}; backends: {', '.join(config.backends)}"
        view.problems.append(Diagnostic("compute-unbound", message, place, hint))
    return backend


def _known_later(view: View, node: Node, record: Record | None) -> Decision:
    if stuck(view, node.asset):
        waiting = Pending(node.asset.address, waits(view, node))
        return Decision(Outlook(known_after=node.known_after, stuck=True), (), (waiting,))
    if not node.asset.runs_on_change and node.asset.address not in view.policy.replace:
        return _by_hand(node)
    done = action(view, Op.SUBMIT, node, record)
    return Decision(Outlook(needs=(done.key,), known_after=node.asset.address), (done,))


def _out_of_reach(node: Node, run: Run) -> Decision:
    message = (
        f"run {run.id} is {run.status}, and its backend {run.backend} is not in mlgit.yml: "
        f"put it back, or run the job anew with `mlgit job rerun {run.address.name}`"
    )
    waiting = Pending(node.asset.address, message)  # without its run: there is nothing to wait for
    return Decision(Outlook(run.id, known_after=node.asset.address, stuck=True), (), (waiting,))


def _pending(node: Node, run: Run, message: str, *, failed: bool) -> Decision:
    waiting = Pending(node.asset.address, message, failed=failed, run=run)
    ended = _ENDED.get(run.status, "failed") if failed else ""
    return Decision(Outlook(run.id, known_after=node.asset.address, stuck=True, ended=ended), (), (waiting,))


def _by_hand(node: Node) -> Decision:
    name = node.asset.address.name
    waiting = Pending(node.asset.address, f"is run by hand: mlgit job rerun {name}")
    return Decision(Outlook(known_after=node.asset.address, stuck=True), (), (waiting,))


def _failure(view: View, made: list[Run]) -> str:
    run = made[-1]
    name = run.address.name
    lost = "was lost too often" if _tries(made) > view.policy.config.retries else "was lost"
    what = {Status.CANCELED: "was canceled", Status.LOST: lost}.get(run.status, "failed")
    said = f": {run.message.splitlines()[0].removesuffix('; its last lines:')}" if run.message else ""
    return f"run {run.id} {what}{said}; look with `mlgit job logs {name}`, run it again with `mlgit job rerun {name}`"

"""What each action does to the world, and what is written of it: one function for each sort of action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from reconciler.applying.clock import now
from reconciler.applying.healing import built, check_kept, check_made, heal
from reconciler.applying.ledger import Ledger
from reconciler.applying.staging import is_worlds, put_node, put_outputs, work_of
from reconciler.applying.world import World
from reconciler.builders import Build, to_json
from reconciler.diagnostics import UserError, failure
from reconciler.format.assets import kind_of
from reconciler.live.state import Writes
from reconciler.model import Action, Event, Json, Node, Op, Progress, Record, Run, Source, Status, Tree
from reconciler.planning.fingerprint import FP_VERSION
from reconciler.planning.moved import left_behind, renamed
from reconciler.planning.observed import reported
from reconciler.planning.protection import protecting

Emit = Callable[[Event], None]

# What is recorded of a build: what it is, not where it lies on the machine that happened to build it.
_BUILT = ("builder", "identity", "python", "lock")


@dataclass(frozen=True, slots=True)
class Context:
    """What every action of one apply shares."""

    world: World
    tree: Tree
    source: Source
    ledger: Ledger
    emit: Emit
    stopping: Callable[[], bool] = lambda: False  # then nothing more is begun

    def saying(self, action: Action) -> Callable[[str], None]:
        """Return what reports the progress of an action."""
        return lambda text: self.emit(Event(Progress.MESSAGE, action, text))


def act(context: Context, action: Action) -> Writes:
    """Do one action and return what is to be written of it. A UserError says why it could not be done."""
    return _ACTS[action.op](context, action)


def external(action: Action) -> bool:
    """Tell whether the action has an effect outside the live state and the store."""
    return action.op in (Op.BUILD, Op.SUBMIT, Op.CANCEL)


def slow(action: Action) -> bool:
    """Tell whether the action may take so long that others should not wait for it."""
    return external(action) or action.op in (Op.RECORD, Op.HEAL)


def _record(context: Context, action: Action) -> Record:
    """Make the record of a declared asset as of this apply, keeping what an older one knows besides."""
    node, old = _node(action), context.ledger.record(action.address)
    base = old or Record(action.address, {}, "", "", FP_VERSION)
    return replace(
        base,
        spec=node.asset.spec,
        fingerprint=node.fingerprint,
        metadata=node.metadata,
        fp_version=FP_VERSION,
        contents=node.contents,
        references=node.references,
        source=context.tree.shown(node.asset.source),
        declared_at=context.source.commit,
        lineage={"commit": context.source.kept},
        applied_at=now(),
        archived=False,
        protected=bool(protecting(context.world.config, action.address)),
    )


def _node(action: Action) -> Node:
    if action.node is None:
        raise AssertionError(action)
    return action.node


def _set(context: Context, action: Action) -> Writes:
    """Create, update or replace what lives under its name, or describe a version anew."""
    node = _node(action)
    kind = kind_of(node.asset)
    record = _record(context, action)
    if kind.bound:
        record = replace(record, realised={"backend": context.world.config.backend_of(action.address.name)})
    return Writes(current=(record,), versions=(record,) if kind.versioned else ())


def _move(context: Context, action: Action) -> Writes:
    """Give a record its new name; older versions and runs stay under the former one."""
    old = context.ledger.record(action.moved_from) if action.moved_from else None
    if old is None:
        raise AssertionError(action)
    new, left = replace(renamed(old, action.address), applied_at=now()), left_behind(old)
    named = dict.fromkeys((old.run, old.latest, *old.unfinished))
    runs = (context.ledger.live.run(old.address, each) for each in named if each)
    return Writes(
        current=(new, left) if left else (new,),
        removed=() if left else (old.address,),
        versions=(new,) if new.version else (),
        runs=tuple(replace(each, address=new.address) for each in runs if each),
    )


def _new_version(context: Context, action: Action) -> Writes:
    node = _node(action)
    kind = kind_of(node.asset)
    realised: dict[str, Json] = {}
    if kind.stored:
        contents = put_node(context.world, context.ledger.live, context.tree, node)
        realised = {"store": context.world.store.id, "contents": contents} if contents else {}
    if kind.built:
        built = context.world.builder.find(node.fingerprint)
        realised = {name: to_json(built)[name] for name in _BUILT} if built else {}
    record = replace(
        _record(context, action),
        version=action.version,
        seq=action.seq,
        top=action.seq,
        realised=realised,
        lineage=_lineage(context, node),
    )
    return Writes(current=(record,), versions=(record,))


def _lineage(context: Context, node: Node) -> Mapping[str, Json]:
    """Say where a version came from: the commit, and for a job's output the run and all that the run used."""
    found: dict[str, Json] = {"commit": context.source.kept}
    for reference in node.references.values():
        if not reference.output:
            continue
        run = context.ledger.live.run(reference.address, reference.version)
        if run is not None:
            used = {pointer.strip("/"): str(each) for pointer, each in run.references.items()}
            found |= {"commit": run.commit, "job": str(run.address), "run": run.id, "used": used}
    return found


def _adopt(context: Context, action: Action) -> Writes:
    if action.run is not None:
        check_made(context.world, action.run)
        record = replace(_record(context, action), run=action.run.id, latest=action.run.id)
        return Writes(current=(record,))
    older = context.ledger.live.version(action.address, action.version)
    if older is None:
        raise failure("version-missing", f"{action.address.at(action.version)} is not in the live state any more")
    check_kept(context.world, context.tree, older)
    before = context.ledger.record(action.address)
    top = max(older.top, older.seq, before.top if before else 0, before.seq if before else 0)
    protected = bool(protecting(context.world.config, action.address))
    record = replace(older, top=top, applied_at=now(), archived=False, protected=protected)
    return Writes(current=(record,), versions=(record,) if older.archived else ())


def _build(context: Context, action: Action) -> Writes:
    """Build an environment where it is not there yet; what has a recorded lock is built again as it was."""
    node, say = _node(action), context.saying(action)
    builder = context.world.builder
    recorded = context.ledger.record(node.asset.address)
    lock = recorded.realised.get("lock", "") if recorded and recorded.fingerprint == node.fingerprint else ""
    request = builder.render(str(node.asset.address), node.fingerprint, node.asset.spec, lock)
    for note in request.notes:
        say(note)
    if (found := builder.find(node.fingerprint)) is None:
        builder.build(request, say)
    else:
        say(f"already built on this machine, Python {found.python}")
    return Writes()


def _submit(context: Context, action: Action) -> Writes:
    """Submit a run: the intent is durable first, so that whoever comes after a crash finds it by its token."""
    node, run = _node(action), action.run
    if run is None:
        raise AssertionError(action)
    run = replace(run, commit=context.source.kept, submitted_at=now("milliseconds"))  # runs are told in this order
    say = context.saying(action)
    build = _environment(context, node, say)
    backend = context.world.backend(run.backend)
    work = work_of(context.world, context.ledger.live, context.tree, node, run, build)
    run = replace(run, realised={"environment": build.identity})
    context.ledger.now(_with_run(context, action, run), action)
    backend.submit(backend.render(work))
    say(f"run {run.id} on {run.backend}")
    return _with_run(context, action, replace(run, status=Status.QUEUED))


def _environment(context: Context, node: Node, say: Callable[[str], None]) -> Build:
    """Return the environment that the job names, built on this machine."""
    reference = node.references.get("/environment")
    if reference is None:
        message = f"{node.asset.address} names no environment that this workspace declares"
        raise failure("environment-form", message, "declare the environment in a file and write azureml:NAME@latest")
    record = context.ledger.live.version(reference.address, reference.version)
    if record is None:
        raise failure("environment-missing", f"{reference} is not registered")
    return built(context.world, record, say)


def _heal(context: Context, action: Action) -> Writes:
    """Bring back what is recorded; that it was away is no part of the record."""
    heal(context.world, context.tree, action, context.saying(action))
    return Writes()


def _with_run(context: Context, action: Action, run: Run) -> Writes:
    record = _record(context, action)
    unfinished = tuple(dict.fromkeys((*record.unfinished, run.id)))
    return Writes(current=(replace(record, latest=run.id, unfinished=unfinished),), runs=(run,))


def _finish(context: Context, action: Action) -> Writes:
    """Record how a run ended; of a lost one, stop what may be left of it first."""
    run = action.run
    if run is None:
        raise AssertionError(action)
    if run.status is Status.LOST:
        context.world.backend(run.backend).cancel(run.id)
        run = replace(run, ended_at=run.ended_at or now())
    if run.status is Status.COMPLETED:
        run = _with_outputs(context, action, run)
    return _ended(context, run)


def _with_outputs(context: Context, action: Action, run: Run) -> Run:
    """Put what a run made into the store; a run that made what cannot be kept is recorded as failed."""
    try:
        return replace(run, outputs=put_outputs(context.world, run))
    except UserError as error:
        if is_worlds(error):
            raise
        message = f"run {run.id} completed, and what it made cannot be stored: {error.diagnostics[0].message}"
        failed = replace(run, status=Status.FAILED, failure="user", message=message)
        context.ledger.now(_ended(context, failed), action)
        hint = f"it is recorded as failed: correct the job, or run it again with `mlgit job rerun {run.address.name}`"
        raise failure("output-not-kept", message, hint) from error


def _ended(context: Context, run: Run) -> Writes:
    """Write the end of a run; the newest one becomes current if it completed."""
    record = context.ledger.record(run.address)
    if record is None:
        return Writes(runs=(run,))
    ended = replace(record, unfinished=tuple(each for each in record.unfinished if each != run.id))
    if run.id == record.latest and run.status is Status.COMPLETED:
        ended = replace(ended, run=run.id)
    return Writes(current=(ended,) if ended != record else (), runs=(run,))


def _cancel(context: Context, action: Action) -> Writes:
    """Stop a run that nobody waits for any more; one that ended by itself before that is recorded as it ended."""
    if action.run is None:
        raise AssertionError(action)
    canceled, backend = action.run, context.world.backend(action.run.backend)
    backend.cancel(canceled.id)
    run = reported(replace(canceled, failure=""), backend.poll([canceled.id])[canceled.id])
    if run.status is Status.COMPLETED:
        return _ended(context, _with_outputs(context, action, run))
    if run.status is not Status.FAILED:  # canceled, or gone before it could say so
        run = replace(run, status=Status.CANCELED, failure=canceled.failure, message="", ended_at=now())
    return _ended(context, run)


def _archive(context: Context, action: Action) -> Writes:
    record = context.ledger.live.current[action.address]
    return Writes(current=(replace(record, archived=True, applied_at=now()),))


def _delete(_context: Context, action: Action) -> Writes:
    return Writes(removed=(action.address,))


_ACTS: Mapping[Op, Callable[[Context, Action], Writes]] = {
    Op.MOVE: _move,
    Op.CREATE: _set,
    Op.UPDATE: _set,
    Op.REPLACE: _set,
    Op.NEW_VERSION: _new_version,
    Op.REGISTER: _new_version,
    Op.ADOPT: _adopt,
    Op.BUILD: _build,
    Op.HEAL: _heal,
    Op.SUBMIT: _submit,
    Op.RECORD: _finish,
    Op.CANCEL: _cancel,
    Op.ARCHIVE: _archive,
    Op.DELETE: _delete,
}

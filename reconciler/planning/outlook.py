"""What stands under each address once the plan is done, and what a reference resolves to in that view."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field, replace

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import Declared, kind_of
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, Asset, Live, Node, Record, Reference, Resolved, Run, Status, Tree
from reconciler.planning import content
from reconciler.planning.fingerprint import digest, fingerprint, kept, metadata
from reconciler.planning.masking import masked
from reconciler.planning.policy import Policy


@dataclass(frozen=True, slots=True)
class Outlook:
    """An address as the plan leaves it. ``needs`` are the actions that bring it there.

    ``known_after`` is the address whose run decides the fingerprint; ``stuck`` says that no action of this plan
    will get there, because a run is still going or has failed; ``ended`` says how, where it has ended for good.
    """

    version: str = ""
    fingerprint: str = ""
    needs: tuple[str, ...] = ()
    run: Run | None = None
    known_after: Address | None = None
    stuck: bool = False
    ended: str = ""


@dataclass(slots=True)
class View:
    """What planning looks at: what is declared, what is live, and the outlooks found so far.

    ``leaving`` is live and about to be removed; ``settled`` is declared and stays as it is, for sure; ``refreshed``
    says that the backends were asked how runs stand.
    """

    tree: Tree
    declared: Declared
    live: Live
    policy: Policy
    recording: frozenset[str] = frozenset()  # runs whose end this plan records, and with it what they made
    leaving: frozenset[Address] = frozenset()
    settled: Container[Address] = frozenset()
    refreshed: bool = False
    outlooks: dict[Address, Outlook] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)


def resolve(view: View, asset: Asset) -> Node:
    """Find everything that an asset depends on; what cannot be found is a diagnostic of the view."""
    kind = kind_of(asset)
    spec = masked(kind, asset.spec, view.live.lineage)
    _need_paths(view, asset)
    contents = {each.pointer: content.identity(view.tree, each) for each in asset.paths}
    counted = [each for each in asset.references if kind.affects(each.pointer.split("/")[1])]
    found = {each.pointer: _resolved(view, asset, each) for each in asset.references}
    late = next((each.address for each in counted if found[each.pointer] is None), None)
    references = {pointer: each for pointer, each in found.items() if each is not None}
    wanted = "" if late else fingerprint(kind, spec, contents, references)
    record = view.live.current.get(asset.address)
    return Node(
        asset=replace(asset, spec=spec),
        contents=contents,
        references=references,
        fingerprint=kept(kind, record, wanted, view.live) if record and wanted else wanted,
        metadata=metadata(kind, spec),
        known_after=(view.outlooks[late].known_after or late) if late in view.outlooks else late,
    )


def _need_paths(view: View, asset: Asset) -> None:
    """Say what a path names and Git does not have: a file may name what is not there, nothing is made of it."""
    for each in asset.paths if kind_of(asset).realises(asset.spec) else ():
        if not view.tree.exists(each.path):
            place = view.declared.documents[asset.source].value(each.pointer)
            message = f"{each.text}: Git has no {view.tree.shown(each.path)}"
            hint = "paths count from the folder of this file; a file that .gitignore leaves out is not in Git"
            view.problems.append(Diagnostic("path-missing", message, place, hint))


def needs_of(view: View, asset: Asset) -> tuple[str, ...]:
    """Return the keys of the actions that must come before one on this asset."""
    return tuple(dict.fromkeys(key for each in _awaited(view, asset) for key in each.needs))


def stuck(view: View, asset: Asset) -> bool:
    """Tell whether the asset waits for something that this plan will not bring about."""
    return any(each.stuck for each in _awaited(view, asset))


def _awaited(view: View, asset: Asset) -> Iterator[Outlook]:
    """Yield how things will stand that an asset waits for; an exact version that stands already is not waited for."""
    for each in asset.references:
        outlook = view.outlooks.get(each.address)
        if outlook is not None:
            other = each.version and not each.output and each.version != outlook.version
            if not (other and view.live.version(each.address, each.version)):
                yield outlook


def waits(view: View, node: Node) -> str:
    """Say what becomes of something that is stuck: it waits for a job, or is held back by how its run has ended."""
    cause = view.outlooks.get(node.known_after) if node.known_after else None
    ended = cause.ended if cause else ""
    return f"held back: {node.known_after} {ended}" if ended else f"waits for {node.known_after}"


def _resolved(view: View, asset: Asset, reference: Reference) -> Resolved | None:
    """Resolve one reference; None where its target is known later."""
    outlook = outlook_at(view, reference.address)
    if outlook is None:
        return _of_run(view, asset, reference)
    if reference.output:
        return _output(view, asset, reference, outlook)
    if reference.version and reference.version != outlook.version:
        return _older(view, asset, reference, outlook)
    if reference.label not in ("", "latest"):
        return _refused(view, asset, reference, f"{reference.text}: the one label there is is latest")
    if outlook.known_after:
        return None
    return Resolved(reference.address, outlook.version, outlook.fingerprint)


def outlook_at(view: View, address: Address) -> Outlook | None:
    """Return how an address will stand: as this plan leaves it, else as it is live; None where it will not be there."""
    if address in view.outlooks:
        return view.outlooks[address]
    record = view.live.current.get(address)
    if record is not None and address in view.settled:
        return replace(outlook_of(record, view.live), version=record.run or record.version)
    gone = record is None or record.archived or address in view.leaving
    return outlook_of(record, view.live) if record and not gone else None


def outlook_of(record: Record, live: Live) -> Outlook:
    """Return the outlook of a record that stays as it is."""
    run = live.run(record.address, record.run) if record.run else None
    return Outlook(record.version, record.fingerprint, run=run)


def _older(view: View, asset: Asset, reference: Reference, outlook: Outlook) -> Resolved:
    record = view.live.version(reference.address, reference.version)
    if record is None:
        there = f"its current version is {outlook.version}" if outlook.version else "it has no version yet"
        message = f"{reference.text} names {reference.address.at(reference.version)}, which does not exist: {there}"
        return _refused(view, asset, reference, message, f"write azureml:{reference.address.name}@latest to follow it")
    return Resolved(reference.address, record.version, record.fingerprint)


def _output(view: View, asset: Asset, reference: Reference, outlook: Outlook) -> Resolved | None:
    # What is settled is not read again: its record says the same.
    job = view.declared.assets.get(reference.address) or view.live.current.get(reference.address)
    if job is not None and reference.output not in (outputs := job.spec.get("outputs") or {}):
        message = f"{reference.address} has no output {reference.output}"
        hint = did_you_mean(reference.output, outputs) or f"outputs it has: {', '.join(outputs) or 'none'}"
        return _refused(view, asset, reference, message, hint)
    if outlook.known_after or outlook.run is None or outlook.run.status is not Status.COMPLETED:
        return None
    stored = outlook.run.outputs.get(reference.output, {}).get("md5", "")
    if not stored and (kind_of(asset).runnable or outlook.run.id not in view.recording):
        return None  # the run has ended, its output is not in the store yet
    identity = stored if kind_of(asset).runnable else digest(outlook.run.id)
    return Resolved(reference.address, outlook.run.id, identity, reference.output, reference.path)


def _run_named(live: Live, address: Address) -> Run | None:
    """Find the run that a reference names in place of a job: runs are called ``<job>-<8 digits>``."""
    leaf = address.name.rpartition("-")[0]
    jobs = (each for each in live.current if each.kind == address.kind and each.name.rpartition("/")[2] == leaf)
    return next(filter(None, (live.run(each, address.name) for each in jobs)), None) if leaf else None


def _of_run(view: View, asset: Asset, reference: Reference) -> Resolved:
    """Resolve an output of one run, named in place of a job: it stays what it is, whatever its job does since."""
    run = _run_named(view.live, reference.address)
    if run is None:
        return _refused(view, asset, reference, f"{reference.text} names {reference.address}, which is not live")
    stored = run.outputs.get(reference.output, {}).get("md5", "")
    if run.status is not Status.COMPLETED or not stored:
        message = f"{reference.text} names run {run.id}, which is {run.status} and has no output {reference.output}"
        return _refused(view, asset, reference, message, f"name a run that completed, or {run.address} by its name")
    identity = stored if kind_of(asset).runnable else digest(run.id)
    return Resolved(run.address, run.id, identity, reference.output, reference.path)


def _refused(view: View, asset: Asset, reference: Reference, message: str, hint: str = "") -> Resolved:
    place = view.declared.documents[asset.source].value(reference.pointer)
    view.problems.append(Diagnostic("reference-unresolved", message, place, hint))
    return Resolved(reference.address, "", "")


def known(live: Live, leaving: Container[Address] = ()) -> Container[Address]:
    """Return what a reference may name beside what is declared: all that is live, not archived and not leaving; runs.

    A run that stays in the history can be named though its job is archived.
    """
    return _Known(live, leaving)


def standing(live: Live) -> Callable[[Reference], bool]:
    """Return what tells whether the exact version that a reference names is live, so that nothing must make it."""

    def stands(reference: Reference) -> bool:
        record = live.current.get(reference.address)
        if record is None or record.archived:
            return False
        return reference.version == record.version or live.version(reference.address, reference.version) is not None

    return stands


@dataclass(frozen=True, slots=True)
class _Known(Container[Address]):
    live: Live
    leaving: Container[Address]

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, Address):
            return False
        if record := self.live.current.get(address):
            return not record.archived and address not in self.leaving
        return _run_named(self.live, address) is not None

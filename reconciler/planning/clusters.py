"""Clusters that mlgit makes: of the compute that mlgit.yml binds to a backend which makes one."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping, Sequence

from reconciler.abbreviation import join_some, pluralize
from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.kinds import kinds
from reconciler.format.kinds.compute import KIND as COMPUTE
from reconciler.format.pointers import split_pointer
from reconciler.model import EMPTY_MAPPING, Action, Address, Asset, Json, Op, Record, ResolvedAsset, Run, State
from reconciler.model.clusters import CLUSTER_SETTINGS, HOSTS, MAX_LOCAL_NODES, makes_cluster, makes_local_cluster
from reconciler.model.resources import DEFAULT_MAX_INSTANCES
from reconciler.planning.compute import COMPUTE_POINTER, compute_name
from reconciler.planning.refresh import unfinished_runs
from reconciler.planning.subjects import Subject
from reconciler.planning.support import SupportCheck

BINDING = "cluster"
"""The part of a recorded binding that has the settings of a cluster."""
_TYPE = "type"
_CLUSTER_OPS = (Op.CREATE, Op.UPDATE, Op.REPLACE, Op.DELETE)
_SHOWN = ("machine", "address")  # of a host, in plans


def cluster_settings(config: Config, address: Address) -> Mapping[str, Json]:
    """Return the settings of the backend that makes the cluster of an asset; empty if none does, or they are wrong."""
    kind = kinds().get(address.kind)
    if kind is None or not kind.uses_backend or address.kind in config.providers:
        return EMPTY_MAPPING
    settings = config.backends.get(config.backend_of(address.name), EMPTY_MAPPING)
    return settings if makes_local_cluster(settings) or _has_readable_hosts(settings) else EMPTY_MAPPING


def _has_readable_hosts(settings: Mapping[str, Json]) -> bool:
    """Return True if settings list hosts; files are checked too if mlgit.yml has errors, which are reported there."""
    hosts = settings.get(HOSTS)
    return (
        isinstance(hosts, list | tuple)
        and len(hosts) > 1
        and all(isinstance(host, Mapping) and all(isinstance(host.get(name), str) for name in _SHOWN) for host in hosts)
    )


def cluster_binding(config: Config, address: Address) -> dict[str, Json]:
    """Return the settings that the record of a compute keeps of its cluster; empty if mlgit makes none."""
    settings = cluster_settings(config, address)
    return {name: settings[name] for name in CLUSTER_SETTINGS if name in settings}


def backend_of_cluster(record: Record) -> str:
    """Return the backend whose cluster was made for a recorded asset, "" if none was."""
    is_made = record.handle is not None and bool(record.realised.get(BINDING))
    return str(record.realised.get("backend", "")) if is_made else ""


def backends_of_clusters(action: Action, config: Config) -> Iterator[str]:
    """Yield the backends whose clusters an action makes, changes or ends."""
    if action.op not in _CLUSTER_OPS:
        return
    if action.op is not Op.DELETE and cluster_settings(config, action.address):
        yield config.backend_of(action.address.name)
    if action.record and (backend := backend_of_cluster(action.record)):
        yield backend


def describe_cluster(config: Config, asset: Asset) -> str:
    """Return what is made for a compute: where, and how many nodes; "" if mlgit makes no cluster."""
    settings = cluster_settings(config, asset.address)
    if not settings:
        return ""
    head, *others = settings.get(HOSTS, ("",))
    most = asset.spec.get("max_instances", min(DEFAULT_MAX_INSTANCES, len(others) or DEFAULT_MAX_INSTANCES))
    least = asset.spec.get("min_instances", 0)
    count = pluralize(most, "node") if least == most else f"{least} to {pluralize(most, 'node')}"
    if HOSTS not in settings:
        return f"starts a {_name(settings)} cluster on {_machine(settings)}, a head and {count}"
    machines = join_some([host["machine"] for host in others])
    return f"starts a {_name(settings)} cluster, head on {head['machine']}, {count} on {machines}"


def describe_exposure(config: Config, asset: Asset) -> str:
    """Return who can reach the cluster of a compute; "" if mlgit makes no cluster."""
    settings = cluster_settings(config, asset.address)
    if not settings:
        return ""
    if HOSTS not in settings:
        return (
            f"{_name(settings)} gets a network of its own on {_machine(settings)}, which nothing outside reaches; its "
            "runs reach nothing outside either, and their files come and go through mlgit"
        )
    name, machines = _name(settings), join_some([host["machine"] for host in settings[HOSTS]])
    addresses = join_some([host["address"] for host in settings[HOSTS]])
    return (
        f"{name} listens on the network of {machines} ({addresses}): it does what those ask who have its token, which "
        "mlgit makes and keeps in the folder of the backend"
    )


def _machine(settings: Mapping[str, Json]) -> str:
    """Return the only machine that can ask a backend, by the settings of that; else the one that applies."""
    return str(settings.get("host") or "this machine")


def forget_hint(address: Address) -> str:
    """Return what to do with a cluster that is never reached again."""
    return f"if it is gone for good, `mlgit state rm {address}` forgets it and the runs on it are lost"


def changes_no_cluster(check_support: SupportCheck, resolved: ResolvedAsset, record: Record) -> bool:
    """Return True if a compute differs from its record only in fields that its backend does not use."""
    asset = resolved.asset
    before = asset._replace(spec=record.spec)
    unused = {split_pointer(item.pointer)[0] for side in (before, asset) for item in check_support(side, False).ignored}
    changed = {name for name in {*before.spec, *asset.spec} if before.spec.get(name) != asset.spec.get(name)}
    return bool(record.realised.get(BINDING)) and changed - kind_of(asset).in_place_fields <= unused


def lost_run_notes(actions: Collection[Action], state: State) -> Iterator[str]:
    """Yield which active runs end with a cluster that is replaced or deleted, but for those that a plan cancels."""
    canceled = {action.run.id for action in actions if action.op is Op.CANCEL and action.run}
    for action in actions:
        backend = backend_of_cluster(action.record) if action.record else ""
        if backend and action.op in {Op.REPLACE, Op.DELETE}:
            runs = [run for run in unfinished_runs(state) if run.status.is_active and run.id not in canceled]
            names = [f"{run.id} of {run.address}" for run in runs if _is_on(state, run, backend)]
            if names:
                verb, word = ("replaced" if action.op is Op.REPLACE else "removed"), "runs" if names[1:] else "run"
                lost = f"{word} {join_some(names)}"
                yield f"{action.address}: its cluster is {verb}, and what goes on there is lost: {lost}"


def _is_on(state: State, run: Run, backend: str) -> bool:
    """Return True if a run, or a step of it that has not ended, is on a backend."""
    steps = state.find_steps(run.id) if run.backend != backend else ()
    return run.backend == backend or any(step.backend == backend and step.status.is_active for step in steps)


def describe_host_changes(before: Sequence[Mapping[str, Json]], after: Sequence[Mapping[str, Json]]) -> str:
    """Return how the hosts of a cluster differ, by their addresses; the first of them has the head."""
    old, new = ({host["address"]: host for host in hosts} for hosts in (before, after))
    parts = [f"{_host(new[address])} added" for address in new if address not in old]
    parts += [f"{_host(old[address])} removed" for address in old if address not in new]
    for address in (address for address in new if address in old):
        names = [name for name in {**old[address], **new[address]} if old[address].get(name) != new[address].get(name)]
        parts += [f"{join_some(names)} of {_host(new[address])} changed"] if names else []
    return join_some(parts) or "in another order"


def _host(host: Mapping[str, Json]) -> str:
    return f"{host['machine']} ({host['address']})"


def _name(settings: Mapping[str, Json]) -> str:
    return str(settings[_TYPE]).capitalize()


def check_clusters(declared: AssetSet, config: Config) -> Iterator[Diagnostic]:
    """Yield computes that share a backend which makes one cluster, and those that want more nodes than it has hosts."""
    first: dict[str, Address] = {}
    for asset in declared.readable_assets.values():
        settings = cluster_settings(config, asset.address)
        if not settings:
            continue
        backend = config.backend_of(asset.address.name)
        if (other := first.setdefault(backend, asset.address)) != asset.address:
            message = f"the backend {backend} makes one cluster, and both {other} and {asset.address} are bound to it"
            hint = "bind one of them to another backend, under compute: in mlgit.yml"
            yield Diagnostic("cluster-shared", message, declared.value_span(asset, "/name"), hint)
        usable = len(settings[HOSTS]) - 1 if HOSTS in settings else MAX_LOCAL_NODES
        for field in ("min_instances", "max_instances"):
            wanted = asset.spec.get(field)
            if isinstance(wanted, int) and wanted > usable:
                message = f"{asset.address} asks for {pluralize(wanted, 'node')} ({field}), and the backend {backend} "
                if HOSTS in settings:
                    message += f"has {pluralize(usable, 'host')} beside that of the head"
                    hint = f"lower it, or add to hosts: of the backend {backend} in mlgit.yml"
                else:
                    message += f"makes {pluralize(usable, 'node')} on one machine at most"
                    hint = f"lower it, or list machines under hosts: of the backend {backend} in mlgit.yml"
                yield Diagnostic("cluster-too-large", message, declared.value_span(asset, f"/{field}"), hint)


def check_cluster_of_run(
    declared: AssetSet, subject: Subject, config: Config, unaffected: Container[Address] = ()
) -> Iterator[Diagnostic]:
    """Yield that a run is to be on a cluster that no file declares; those of ``unaffected`` need not be loaded."""
    name = compute_name(subject.asset)
    backend = config.backend_of(name)
    address = Address(COMPUTE.name, name)
    is_declared = any(address in addresses for addresses in (declared.readable_assets, declared.known, unaffected))
    if makes_cluster(config.backends.get(backend, EMPTY_MAPPING)) and not is_declared:
        message = f"{subject.asset.address}: no file declares the compute {name}, and the backend {backend} makes its "
        message += "cluster for a declared one only"
        hint = "name a compute that a file declares with type: amlcompute"
        yield Diagnostic("cluster-undeclared", message, subject.span(declared, COMPUTE_POINTER), hint)

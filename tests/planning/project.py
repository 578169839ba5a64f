"""A project in memory: trees are made from texts, and applying a plan only writes its records.

Tests plan against these without Git; ``InMemoryProject.apply`` writes the records that an apply would write.
"""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch

from workspaces import SMALL

from reconciler.config import config
from reconciler.diagnostics import Diagnostic, has_errors
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.load import load_assets
from reconciler.format.yaml import parse_yaml
from reconciler.model import (
    Action,
    Address,
    Asset,
    Condition,
    Handle,
    Observation,
    Op,
    Phase,
    Plan,
    Record,
    Run,
    RunStatus,
    SourceRevision,
    State,
    StepGraph,
    StepRun,
    Tree,
    TreeEntry,
    lookup_under_former_names,
)
from reconciler.model.providers import CANCELED
from reconciler.planning.bindings import binding_of, has_own_provider, provider_of
from reconciler.planning.fingerprint import FP_VERSION
from reconciler.planning.moved import make_tombstone, rename_record
from reconciler.planning.options import PlanOptions
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.planning.plan import DesiredState, PlanInputs
from reconciler.planning.protection import protecting_glob
from reconciler.project.backend_lookup import make_backend_lookup
from reconciler.project.support import make_support_check

LINEAGE = "1" * 32
SUM = Address("job", "sum")
TOTAL = Address("model", "total")
NUMBERS = Address("data", "numbers")
PLAIN = Address("environment", "plain")
SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/{}.schema.json\n"

Files = Mapping[str, str]
Problems = tuple[Diagnostic, ...]


_PHASES = {
    RunStatus.QUEUED: Condition(Phase.PENDING),
    RunStatus.RUNNING: Condition(Phase.RUNNING),
    RunStatus.COMPLETED: Condition(Phase.SUCCEEDED),
    RunStatus.FAILED: Condition(Phase.FAILED),
    RunStatus.CANCELED: Condition(Phase.FAILED, CANCELED),
    RunStatus.LOST: Condition(Phase.GONE),
}


def condition_of(status: RunStatus, result: Mapping[str, object] | None = None, message: str = "") -> Condition:
    """Return the condition that a backend reports of a run with a status."""
    return replace(_PHASES[status], result=result or {}, message=message)


def small() -> dict[str, str]:
    """Return the files of SMALL as they are written."""
    return {name: textwrap.dedent(text).lstrip("\n") for name, text in SMALL.items()}


def edited(path: str, before: str, after: str, files: Files | None = None) -> dict[str, str]:
    """Return files, SMALL's by default, with one text in one of them replaced."""
    files = files or small()
    assert before in files[path]
    return {**files, path: files[path].replace(before, after)}


def without(path: str, files: Files | None = None) -> dict[str, str]:
    """Return files, SMALL's by default, without one of them."""
    return {name: text for name, text in (files or small()).items() if name != path}


def tree_of(files: Mapping[str, str | bytes], root: str = "") -> Tree:
    """Make a tree of files, with the blob names that Git would give them."""
    raw = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    oids = {path: hashlib.sha1(b"blob %d\0" % len(text) + text).hexdigest() for path, text in raw.items()}  # noqa: S324 - Git's
    blobs = {oids[path]: text for path, text in raw.items()}
    listing = "".join(f"{path}\0{oid}\0" for path, oid in sorted(oids.items()))
    oid = hashlib.sha1(listing.encode()).hexdigest()  # noqa: S324 - the same
    return Tree(oid, {path: TreeEntry(0o100644, oid) for path, oid in oids.items()}, blobs.__getitem__, root)


def declared_by(files: Mapping[str, str | bytes], *, runs: bool = True) -> AssetSet:
    """Read what files declare; every YAML file may be an asset that mlgit.yml does not leave out, itself excepted."""
    tree = tree_of(files)
    settings = parse_yaml(config.CONFIG_FILE, tree.read_file(config.CONFIG_FILE))[0].data or {}
    globs = [item["glob"] for item in settings.get("assets", {}).get("include", [{"glob": "*.yml"}])]
    included = (path for path in files if any(fnmatch(path, glob) for glob in globs))
    paths = sorted(path for path in included if path != config.CONFIG_FILE)
    mirrors = tuple(settings.get("mirrors", {}).items())
    return load_assets(tree, [(path, config.IncludeGlob("", runs, mirrors=mirrors)) for path in paths])


def plan_options_of(files: Files) -> PlanOptions:
    """Return the plan options that mlgit.yml of the files makes."""
    parsed, diagnostics = config.parse_config(parse_yaml(config.CONFIG_FILE, files[config.CONFIG_FILE].encode())[0])
    assert parsed is not None, diagnostics
    return PlanOptions(parsed)


@dataclass
class InMemoryProject:
    """Files and live state in memory. ``history`` counts commits; a tree is planned as of the next one."""

    records: dict[Address, Record] = field(default_factory=dict)
    versions: dict[tuple[Address, str], Record] = field(default_factory=dict)
    runs: dict[tuple[Address, str], Run] = field(default_factory=dict)
    trees: dict[str, Tree] = field(default_factory=dict)
    graphs: dict[str, StepGraph | None] = field(default_factory=dict)
    steps: dict[str, tuple[StepRun, ...]] = field(default_factory=dict)
    builds: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    history: int = 0

    def state(self) -> State:
        """Return the live state as the planner gets it."""
        current = dict(self.records)
        run, version = lookup_under_former_names(current, self._run), lookup_under_former_names(current, self._version)
        find_steps = lambda run_id: self.steps.get(run_id, ())  # noqa: E731
        find_builds = lambda fingerprint: self.builds.get(fingerprint, {})  # noqa: E731
        version_of_state = f"state{self.history}"
        return State(LINEAGE, current, run, version, version_of_state, find_builds=find_builds, find_steps=find_steps)

    def _run(self, address: Address, run_id: str) -> Run | None:
        return self.runs.get((address, run_id))

    def _version(self, address: Address, version: str) -> Record | None:
        return self.versions.get((address, version))

    def desired(
        self, files: Files, *, runs: bool = True, ancestry: Callable[[str], bool | None] = lambda _: True
    ) -> DesiredState:
        """Return the desired state, which the planner compares with the live state."""
        declared = declared_by(files, runs=runs)
        assert not has_errors(declared.diagnostics), declared.diagnostics
        commit = f"commit{self.history + 1}"
        tree = replace(tree_of(files), tree_at_commit=self.trees.get)
        check = make_support_check(plan_options_of(files).config, None)
        find_backend = make_backend_lookup(plan_options_of(files).config)
        source = SourceRevision(commit, tree.oid)
        return DesiredState(source, tree, declared, ancestry, check_support=check, find_backend=find_backend)

    def plan_with_diagnostics(  # noqa: PLR0913 - the options of a plan
        self,
        files: Files,
        *,
        requested: frozenset[Address] = frozenset(),
        reports: Mapping[str, Condition] | None = None,
        select: tuple[str, ...] = (),
        exclude: tuple[str, ...] = (),
        runs: bool = True,
        ancestry: Callable[[str], bool | None] = lambda _: True,
    ) -> tuple[Plan, Problems]:
        """Return plan and diagnostics of files; ``requested`` are replaced, ``reports`` are those of backends."""
        plan_options = plan_options_of(files)._replace(replace=requested, select=select, exclude=exclude)
        desired = self.desired(files, runs=runs, ancestry=ancestry)
        return run_plan_pipeline(PlanInputs(desired, self.state(), plan_options, Observation(reports or {})))

    def plan(self, files: Files, **options: object) -> Plan:
        """Return the plan of files without diagnostics."""
        plan, diagnostics = self.plan_with_diagnostics(files, **options)  # type: ignore[arg-type]
        assert diagnostics == ()
        return plan

    def apply(self, files: Files, **options: object) -> Plan:
        """Apply the actions of a plan for the files that are known now; return the plan."""
        plan = self.plan(files, **options)
        self.history += 1
        self.trees[plan.source.commit] = tree_of(files)
        for action in plan.actions:
            if action.known_after is None:
                self._act(action, plan.source.commit, plan_options_of(files).config)
        return plan

    def converge(self, files: Files, **options: object) -> tuple[Plan, ...]:
        """Apply until there is nothing to do; each submitted run completes at once. Return the plans."""
        plans = []
        while (plan := self.apply(files, **options)).actions:
            plans.append(plan)
            options = {name: value for name, value in options.items() if name != "requested"}
            self.end(RunStatus.COMPLETED)
        return tuple(plans)

    def end(self, status: RunStatus, failure: str = "", address: Address | None = None) -> None:
        """End every active run, or those of one job, as applying would record it."""
        for key, run in list(self.runs.items()):
            if run.status.is_active and address in (None, run.address):
                outputs = {name: {"md5": f"md5 of {run.fingerprint}"} for name in run.spec.get("outputs") or {}}
                if graph := self.graphs.get(run.id):
                    self.steps[run.id] = tuple(StepRun(path, status) for path in graph.steps)
                self._finish(replace(self.runs[key], status=status, failure=failure, outputs=outputs))

    def latest(self, address: Address = SUM) -> Run:
        """Return the newest run of a job."""
        return self.runs[address, self.records[address].latest]

    def _act(self, action: Action, commit: str, settings: config.Config) -> None:
        self._done(action, commit)
        if action.resolved is not None and action.address in self.records:
            protected = bool(protecting_glob(settings, action.address))
            record = replace(self.records[action.address], protected=protected)
            if has_own_provider(settings, action.address.kind):
                handle = Handle(provider_of(settings, action.address), action.address.name)
                record = replace(record, handle=handle, realised=binding_of(settings, action.resolved.asset))
            self.records[action.address] = record

    def _done(self, action: Action, commit: str) -> None:  # noqa: C901 - one case for each sort
        match action.op:
            case Op.RENAME:
                assert action.moved_from is not None
                old = self.records.pop(action.moved_from)
                self.records[action.address] = rename_record(old, action.address)
                if tombstone := make_tombstone(old):
                    self.records[action.moved_from] = tombstone
            case Op.BUILD:
                assert action.resolved is not None
                self.builds[action.resolved.fingerprint] = {"venv": {}}
            case Op.RECORD:
                assert action.run is not None
                self._finish(action.run)
            case Op.SUBMIT:
                assert action.run is not None
                run = replace(action.run, status=RunStatus.QUEUED, submitted_at=f"{len(self.runs):04}", commit=commit)
                self.graphs[run.id] = action.resolved.graph if action.resolved else None
                self.runs[run.address, run.id] = run
                unfinished = self.records[run.address].unfinished if run.address in self.records else ()
                self._set(action, commit, latest=run.id, unfinished=tuple(dict.fromkeys((*unfinished, run.id))))
            case Op.ADOPT if action.run is not None:
                self._set(action, commit, latest=action.run.id, run=action.run.id)
            case Op.ADOPT:
                older, current = self.versions[action.address, action.version], self.records[action.address]
                self.records[action.address] = replace(older, archived=False, top=max(current.top, current.seq))
            case Op.CANCEL:
                assert action.run is not None
                self._finish(action.run)
            case Op.ARCHIVE:
                self.records[action.address] = replace(self.records[action.address], archived=True)
            case Op.DELETE:
                del self.records[action.address]
            case Op.NEW_VERSION | Op.REGISTER:
                self._set(action, commit, version=action.version, seq=action.seq, top=action.seq)
            case _:
                self._set(action, commit)

    def _finish(self, run: Run) -> None:
        self.runs[run.address, run.id] = run
        record = self.records[run.address]
        record = replace(record, unfinished=tuple(run_id for run_id in record.unfinished if run_id != run.id))
        self.records[run.address] = record
        if record.latest == run.id and run.status is RunStatus.COMPLETED:
            self.records[run.address] = replace(record, run=run.id)

    def _set(self, action: Action, commit: str, **changes: str | int | tuple[str, ...]) -> None:
        assert action.resolved is not None
        resolved = action.resolved
        kind = kind_of(resolved.asset)
        base = self.records.get(action.address) or Record(action.address, {}, "", "", FP_VERSION)
        record = replace(
            base,
            spec=resolved.asset.spec,
            fingerprint=resolved.fingerprint,
            metadata=resolved.metadata,
            contents=resolved.contents,
            references=resolved.references,
            declared_at=commit,
            lineage={"commit": commit},
            archived=False,
            realised=binding_of(plan_options_of(small()).config, resolved.asset),
            **changes,  # type: ignore[arg-type]
        )
        self.records[action.address] = record
        if kind.is_versioned:
            self.versions[action.address, record.version] = record


def action_keys(plan: Plan) -> list[str]:
    """Return the keys of the actions of a plan, in its order."""
    return [str(action.key) for action in plan.actions]


def action_on(plan: Plan, address: Address, op: Op | None = None) -> Action:
    """Return the one action on an address."""
    (match,) = (action for action in plan.actions if action.address == address and op in (None, action.op))
    return match


def asset(files: Files, address: Address) -> Asset:
    """Return one asset that files declare."""
    return declared_by(files).assets[address]

"""What all actions of one apply share: the providers, the source, the transaction, and the record of an asset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from reconciler.engine.providers import Providers
from reconciler.model import Action, Event, Progress, Record, ResolvedAsset, Run, SourceRevision, State, Tree
from reconciler.model.builder import ReportProgress
from reconciler.model.transfers import ReadTransfer
from reconciler.planning.bindings import binding_of
from reconciler.planning.fingerprint import FP_VERSION
from reconciler.planning.protection import protecting_glob
from reconciler.state.transaction import StateTransaction
from reconciler.timestamps import utc_timestamp


@dataclass(frozen=True, slots=True)
class ActionContext:
    """What every action of one apply shares."""

    providers: Providers
    tree: Tree
    source: SourceRevision
    transaction: StateTransaction
    emit: Callable[[Event], None]
    is_stopping: Callable[[], bool] = lambda: False

    @property
    def state(self) -> State:
        """The state as this apply has left it so far."""
        return self.transaction.live

    def progress_reporter(self, action: Action) -> ReportProgress:
        """Return a function that reports the progress of an action."""
        return lambda text: self.emit(Event(Progress.MESSAGE, action, text))

    def report_transfer(self, action: Action, read_transfer: ReadTransfer) -> None:
        """Report that a transfer which an action needs goes on."""
        self.emit(Event(Progress.MESSAGE, action, str(read_transfer()), read_transfer=read_transfer))

    def is_protected(self, action: Action) -> bool:
        """Return True if mlgit.yml protects the address of the action."""
        return bool(protecting_glob(self.providers.config, action.address))

    def make_record(self, action: Action) -> Record:
        """Return the record of a declared asset as of this apply; fields that it does not set stay as recorded."""
        resolved, recorded = resolved_asset_of(action), self.transaction.record(action.address)
        return replace(
            recorded or Record(action.address, {}, "", "", FP_VERSION),
            spec=resolved.asset.spec,
            fingerprint=resolved.fingerprint,
            metadata=resolved.metadata,
            fp_version=FP_VERSION,
            contents=resolved.contents,
            references=resolved.references,
            source=self.tree.display_path(resolved.asset.source),
            declared_at=self.source.commit,
            lineage={"commit": self.source.effective_commit},
            applied_at=utc_timestamp(),
            archived=False,
            protected=self.is_protected(action),
        )

    def make_bound_record(self, action: Action) -> Record:
        """Return the record of a declared asset with what mlgit.yml binds it to."""
        binding = binding_of(self.providers.config, resolved_asset_of(action).asset)
        record = self.make_record(action)
        return replace(record, realised=binding) if binding else record


def resolved_asset_of(action: Action) -> ResolvedAsset:
    """Return the resolved asset of an action that has one."""
    if action.resolved is None:
        raise AssertionError(action)
    return action.resolved


def run_of(action: Action) -> Run:
    """Return the run of an action that has one."""
    if action.run is None:
        raise AssertionError(action)
    return action.run

"""Repair of drift: content is restored from Git, environments are built again from their recorded lock.

What cannot be repaired is reported as an error.
"""

from __future__ import annotations

from reconciler.engine.action_context import ActionContext
from reconciler.engine.builds import build_environment, choose_builder, registered_environment
from reconciler.engine.contents import check_run_output, ensure_version_content
from reconciler.engine.providers import Providers
from reconciler.format.kinds import kind_by_name
from reconciler.model import Action, Record, Run, Tree
from reconciler.model.builder import ReportProgress


def repair_record(context: ActionContext, action: Action, report_progress: ReportProgress) -> None:
    """Repair what a record describes; raises UserError if Git does not have its content."""
    record = action.record
    if record is None:
        raise AssertionError(action)
    if kind_by_name(record.address.kind).uses_builder:
        environment = registered_environment(context.providers, context.state, context.tree, record)
        name = choose_builder(context.providers, environment)
        build_environment(context.providers, environment, name, report_progress)
    ensure_version_content(context.providers, context.tree, record)


def check_version_content(providers: Providers, tree: Tree, record: Record) -> None:
    """Restore the content of a version that is to be current again; raises UserError if Git does not have it.

    A machine without the store cannot check, and relies on the record.
    """
    if providers.has_store:
        ensure_version_content(providers, tree, record)


def check_run_outputs(providers: Providers, run: Run) -> None:
    """Raise UserError if an output of a run is not in the store as it was stored; see above."""
    if providers.has_store:
        for name in (name for name, output in run.outputs.items() if "md5" in output):
            check_run_output(providers, run, name, run.outputs[name])

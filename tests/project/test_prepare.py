"""prepare_apply: the checks before an apply, their order, and what is left of the plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from workspaces import commit, edit, git

from reconciler.diagnostics import UserError
from reconciler.model import Address, Op
from reconciler.planning.options import PlanOptions
from reconciler.planning.saved import SavedPlan
from reconciler.project.prepare import ApplyOptions, Approver, prepare_apply
from reconciler.project.session import open_session


@pytest.fixture
def prepared_from():
    """Prepare an apply of a folder with options; the session is closed."""

    def prepare(folder, **options):
        with open_session(folder) as session:
            return prepare_apply(session, replace(ApplyOptions(PlanOptions(session.config)), **options))

    return prepare


def code_of_failure(prepare, folder, **options):
    with pytest.raises(UserError) as failure:
        prepare(folder, **options)
    return failure.value.diagnostics[0].code


def stale_plan():
    """Return a saved plan that was made when model/total was not live."""
    return SavedPlan({"digest": "0" * 64}, {"reads": {"model/total": ""}, "actions": []})


def test_prepare_apply_changes_nothing(small, prepared_from):
    prepared = prepared_from(small)
    assert [str(action.key) for action in prepared.plan.submissions] == ["submit job/sum"]
    assert prepared.request.desired.source == prepared.plan.source
    assert git(small, "for-each-ref", "refs/mlgit") == ""
    assert git(small, "status", "--porcelain") == ""


def test_the_checks_have_an_order(applied, prepared_from):
    git(applied, "checkout", "--quiet", "--orphan", "unrelated")
    commit(applied, "another history")
    edit(applied, "jobs/sum.yml", "command:", "comand:")
    assert code_of_failure(prepared_from, applied, saved_plan=stale_plan()) == "work-tree-dirty"
    commit(applied, "invalid")
    assert code_of_failure(prepared_from, applied, saved_plan=stale_plan()) == "plan-stale"
    assert code_of_failure(prepared_from, applied) == "apply-rewinds"
    with open_session(applied) as session:
        rewind = PlanOptions(session.config, allow_rewind=True)
    assert code_of_failure(prepared_from, applied, plan_options=rewind) == "unknown-field"


def test_only_the_decisions_about_one_address_are_prepared(small, prepared_from):
    with open_session(small) as session:
        plan_options = PlanOptions(session.config, only_address=Address("data", "numbers"))
    prepared = prepared_from(small, plan_options=plan_options)
    assert [str(action.key) for action in prepared.plan.decisions] == ["new-version data/numbers"]


def test_decisions_beyond_the_limits_are_left_out_with_their_reasons(small, prepared_from):
    edit(small, "mlgit.yml", "store:", "limits: {submit: 0}\nstore:")
    commit(small)
    assert code_of_failure(prepared_from, small) == "too-many-runs"
    prepared = prepared_from(small, approver=Approver.LIMITS)
    assert Op.SUBMIT not in {action.op for action in prepared.plan.decisions}
    assert "new-version data/numbers" in [str(action.key) for action in prepared.plan.decisions]
    assert [diagnostic.code for diagnostic in prepared.stop_reasons] == ["too-many-runs"]


def test_without_approval_nothing_is_decided_and_the_limits_are_no_matter(small, prepared_from):
    edit(small, "mlgit.yml", "store:", "limits: {submit: 0}\nstore:")
    commit(small)
    prepared = prepared_from(small, approver=Approver.NOBODY)
    assert (prepared.plan.decisions, prepared.stop_reasons) == ((), ())


def test_a_protected_asset_is_left_out_if_nobody_approves_the_plan(applied, prepared_from):
    edit(applied, "mlgit.yml", "store:", "protect: [model/*]\nstore:")
    (applied / "models/total.yml").unlink()
    commit(applied)
    assert code_of_failure(prepared_from, applied) == "protected"
    prepared = prepared_from(applied, approver=Approver.LIMITS)
    assert prepared.plan.actions == ()
    assert prepared.request.plan_options.exclude == ("model/total",)
    assert [diagnostic.code for diagnostic in prepared.stop_reasons] == ["protected"]

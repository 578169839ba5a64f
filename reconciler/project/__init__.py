"""The Python API of mlgit: open a workspace, load what it declares, plan it, and apply the plan.

The command line, the controller and other programs (docs/library.md) call the same functions:
``session.open_session``, ``check.load_desired``, ``plan.make_plan``, ``prepare.prepare_apply``, ``apply.apply_plan``.
Nothing here prints: a session passes diagnostics to its ``on_diagnostics`` and everything else to its ``on_note``.
"""

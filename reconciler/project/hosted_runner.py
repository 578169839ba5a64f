"""Refuse to apply on a hosted runner of a CI system what would be lost with it."""

from __future__ import annotations

import os

from reconciler.diagnostics import UserError
from reconciler.project.provider_checks import ephemeral_machine_diagnostics
from reconciler.project.session import Session
from reconciler.source.workspace import config_document
from reconciler.state.process import host_name

_ENVIRONMENT = "RUNNER_ENVIRONMENT"  # of GitHub Actions; other systems do not tell
_HOSTED = "github-hosted"


def refuse_hosted_runner(session: Session) -> None:
    """Raise UserError ``runner-not-kept`` if this machine ends with the job, and has what must outlast it."""
    if os.environ.get(_ENVIRONMENT) != _HOSTED:
        return
    document = config_document(session.config_tree, session.config.target)
    diagnostics = ephemeral_machine_diagnostics(document, session.config, host_name())
    if diagnostics:
        raise UserError(*diagnostics)

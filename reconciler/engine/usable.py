"""Whether the backends of the jobs can run any in an image that was just built; what cannot is recorded."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.builders import BUILDERS
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.engine.action_context import ActionContext
from reconciler.engine.builds import EnvironmentToBuild, build_key
from reconciler.model import Action
from reconciler.model.builder import Built
from reconciler.model.builds import Unusable, mark_unusable
from reconciler.model.plugins import Form
from reconciler.planning.unusable import CODE, settings_digest
from reconciler.state.write_batch import WriteBatch


def check_usable(  # noqa: PLR0913, PLR0917 - what was built, by whom and for whom
    context: ActionContext,
    action: Action,
    environment: EnvironmentToBuild,
    builder: str,
    built: Built,
    backends: Iterable[str],
) -> None:
    """Raise UserError ``image-unusable`` if one of the backends can run no job in an image.

    That is recorded with the build, for the next plan. A backend that cannot tell now is asked again by its runs.
    """
    config = context.providers.config
    if BUILDERS.load(str(config.builders[builder]["type"])).produces is not Form.IMAGE:
        return
    for name in backends:
        try:
            context.providers.backend(name).check_environment(built.environment)
        except UserError as error:
            (problem, *_) = error.diagnostics
            if problem.code != CODE:
                context.progress_reporter(action)(f"not known whether jobs run in it on {name}: {problem.message}")
                continue
            unusable = Unusable(problem.message, problem.hint, settings_digest(config, name))
            builds = {build_key(builder, built.variant): mark_unusable(built.to_json(), name, unusable)}
            context.transaction.write_now(WriteBatch(builds={environment.fingerprint: builds}), action)
            message = f"{environment.address}: {name}: {problem.message}"
            raise UserError(Diagnostic(CODE, message, hint=problem.hint)) from error

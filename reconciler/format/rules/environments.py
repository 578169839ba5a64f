"""Environments, written in a file of their own or in what uses them: reference, section 8 (lax) and section 1.

azure-ai-ml finds these out when it sends the environment off, not when it reads the file.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, executable_nodes_and_tasks


def _check_environment(subject: RuleContext, part: SpecNode) -> Iterator[Diagnostic]:
    image, build, conda = (part.spec.get(each) for each in ("image", "build", "conda_file"))
    if part.spec.get("id") is not None:
        return
    if image is not None and build is not None:
        message = "an environment has an image or a build context, not both"
        yield subject.key_diagnostic(
            "environment-both", message, *part.child_pointer("build"), hint="remove image: or build:"
        )
    elif conda is not None and image is None:
        message = "a conda file needs an image to be put on"
        hint = "add image:" if build is None else "install it in the Dockerfile, or replace build: by image:"
        yield subject.key_diagnostic("environment-conda", message, *part.child_pointer("conda_file"), hint=hint)
    elif image is None and build is None:
        message = "an environment needs an image or a build context"
        yield subject.key_diagnostic("environment-neither", message, *part.pointer, hint="add image: or build:")


def check_environment_asset(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield an environment with both an image and a build context, with neither, or with conda but no image."""
    yield from _check_environment(subject, SpecNode((), subject.spec))


def check_inline_environments(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield the same of environments in jobs, nodes, components and deployments."""
    for user in executable_nodes_and_tasks(subject):
        if isinstance(user.spec.get("environment"), dict):
            yield from _check_environment(subject, user.child("environment"))


ASSET_RULES: tuple[Rule, ...] = (check_environment_asset,)
INLINE_RULES: tuple[Rule, ...] = (check_inline_environments,)

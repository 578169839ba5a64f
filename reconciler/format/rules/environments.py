"""The image and the build context of environments, in a file or inline (reference, sections 1 and 8 (lax)).

azure-ai-ml reports these errors when it submits the environment, not when it reads the file.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, executable_nodes_and_tasks


def _check_environment(context: RuleContext, node: SpecNode) -> Iterator[Diagnostic]:
    image, build, conda = (node.spec.get(field) for field in ("image", "build", "conda_file"))
    if node.spec.get("id") is not None:
        return
    if image is not None and build is not None:
        message = "an environment cannot have both image: and build:"
        yield context.key_diagnostic(
            "environment-both", message, *node.child_pointer("build"), hint="remove image: or build:"
        )
    elif conda is not None and image is None:
        message = "conda_file: requires image:"
        hint = (
            "add image:" if build is None else "install the packages in the Dockerfile, or replace build: with image:"
        )
        yield context.key_diagnostic("environment-conda", message, *node.child_pointer("conda_file"), hint=hint)
    elif image is None and build is None:
        message = "an environment requires image: or build:"
        yield context.key_diagnostic("environment-neither", message, *node.pointer, hint="add image: or build:")


def check_environment_asset(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield an environment with both an image and a build context, with neither, or with a conda file but no image."""
    yield from _check_environment(context, SpecNode((), context.spec))


def check_inline_environments(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield the same errors for inline environments of jobs, nodes, components and deployments."""
    for node in executable_nodes_and_tasks(context):
        if isinstance(node.spec.get("environment"), dict):
            yield from _check_environment(context, node.child("environment"))


ASSET_RULES: tuple[Rule, ...] = (check_environment_asset,)
INLINE_RULES: tuple[Rule, ...] = (check_inline_environments,)

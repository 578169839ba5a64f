"""Environments, written in a file of their own or in what uses them: reference, section 8 (lax) and section 1.

azure-ai-ml finds these out when it sends the environment off, not when it reads the file.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rules.parts import Part, users
from reconciler.format.subject import Rule, Subject


def _judged(subject: Subject, part: Part) -> Iterator[Diagnostic]:
    image, build, conda = (part.spec.get(each) for each in ("image", "build", "conda_file"))
    if part.spec.get("id") is not None:
        return
    if image is not None and build is not None:
        message = "an environment has an image or a build context, not both"
        yield subject.at_key("environment-both", message, *part.below("build"), hint="remove image: or build:")
    elif conda is not None and image is None:
        message = "a conda file needs an image to be put on"
        hint = "add image:" if build is None else "install it in the Dockerfile, or replace build: by image:"
        yield subject.at_key("environment-conda", message, *part.below("conda_file"), hint=hint)
    elif image is None and build is None:
        message = "an environment needs an image or a build context"
        yield subject.at_key("environment-neither", message, *part.pointer, hint="add image: or build:")


def asset(subject: Subject) -> Iterator[Diagnostic]:
    """Yield an environment with both an image and a build context, with neither, or with conda but no image."""
    yield from _judged(subject, Part((), subject.spec))


def written_in_place(subject: Subject) -> Iterator[Diagnostic]:
    """Yield the same of environments in jobs, nodes, components and deployments."""
    for user in users(subject):
        if isinstance(user.spec.get("environment"), dict):
            yield from _judged(subject, user.inner("environment"))


ASSET_RULES: tuple[Rule, ...] = (asset,)
WORK_RULES: tuple[Rule, ...] = (written_in_place,)

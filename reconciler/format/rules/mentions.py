"""References that have no form of the documented ones: reference, section 2, and what azure-ai-ml does with others.

What a reference names is for those who see all files (``workspace``); here is only whether it can name anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rules.parts import Part, Pointer, users
from reconciler.format.subject import Rule, Subject

# Fields that refer to an asset of one sort, and how that sort is called in a URI.
_FIELDS = {"environment": "environments", "component": "components", "trial": "components", "model": "models"}
_SHORT = "azureml:"
_ARM = re.compile(r"/subscriptions/", re.IGNORECASE)
_URI = re.compile(r"//(registries|feeds|datastores|subscriptions|locations|jobs)/", re.IGNORECASE)
_REGISTRY = re.compile(r"//registries/[^/]+/(?P<sort>[^/]+)/.+", re.IGNORECASE)
_PLAIN = re.compile(r"[^/:@]+(?:[:@][^/]+)?")


def malformed(subject: Subject) -> Iterator[Diagnostic]:
    """Yield references that azure-ai-ml or the service cannot read."""
    for user in users(subject):
        yield from _of(subject, user)


def _of(subject: Subject, part: Part) -> Iterator[Diagnostic]:
    for field, sort in _FIELDS.items():
        text = part.spec.get(field)
        if isinstance(text, str) and text.lower().startswith(_SHORT) and "${{" not in text:
            yield from _judged(subject, part.below(field), text, sort)


def _judged(subject: Subject, pointer: Pointer, text: str, sort: str) -> Iterator[Diagnostic]:
    rest = text[len(_SHORT) :]
    hint = (
        f"write {_SHORT}NAME:VERSION, {_SHORT}NAME@latest or {_SHORT}//registries/REGISTRY/{sort}/NAME/versions/VERSION"
    )
    registry = _REGISTRY.fullmatch(rest)
    if registry and registry["sort"].lower() != sort:
        message = f"{text} names one of {registry['sort']}, where one of {sort} is wanted"
        yield subject.at_value("reference-sort", message, *pointer, hint=hint)
    elif rest.lower().startswith(_SHORT):
        message = f"{text} begins with {_SHORT} twice"
        yield subject.at_value("reference-malformed", message, *pointer, hint=f"did you mean {rest}?")
    elif not (_PLAIN.fullmatch(rest) or _ARM.match(rest) or _URI.match(rest)):
        yield subject.at_value("reference-malformed", f"{text} is no reference", *pointer, hint=hint)


RULES: tuple[Rule, ...] = (malformed,)

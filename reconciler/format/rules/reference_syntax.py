"""References that have no form of the documented ones: reference, section 2, and what azure-ai-ml does with others.

What a reference names is for those who see all files (``workspace``); here is only whether it can name anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import Pointer, SpecNode, executable_nodes_and_tasks

# Fields that refer to an asset of one sort, and how that sort is called in a URI.
_COLLECTION_OF_FIELD = {
    "environment": "environments",
    "component": "components",
    "trial": "components",
    "model": "models",
}
_SHORT_PREFIX = "azureml:"
_ARM_ID = re.compile(r"/subscriptions/", re.IGNORECASE)
_AZUREML_URI = re.compile(r"//(registries|feeds|datastores|subscriptions|locations|jobs)/", re.IGNORECASE)
_REGISTRY_URI = re.compile(r"//registries/[^/]+/(?P<sort>[^/]+)/.+", re.IGNORECASE)
_NAME_AND_VERSION = re.compile(r"[^/:@]+(?:[:@][^/]+)?")


def check_malformed_references(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield references that azure-ai-ml or the service cannot read."""
    for user in executable_nodes_and_tasks(subject):
        yield from _check_node_references(subject, user)


def _check_node_references(subject: RuleContext, part: SpecNode) -> Iterator[Diagnostic]:
    for field, sort in _COLLECTION_OF_FIELD.items():
        text = part.spec.get(field)
        if isinstance(text, str) and text.lower().startswith(_SHORT_PREFIX) and "${{" not in text:
            yield from _check_reference_text(subject, part.child_pointer(field), text, sort)


def _check_reference_text(subject: RuleContext, pointer: Pointer, text: str, sort: str) -> Iterator[Diagnostic]:
    rest = text[len(_SHORT_PREFIX) :]
    hint = f"write {_SHORT_PREFIX}NAME:VERSION, {_SHORT_PREFIX}NAME@latest or {_SHORT_PREFIX}//registries/REGISTRY/{sort}/NAME/versions/VERSION"
    registry = _REGISTRY_URI.fullmatch(rest)
    if registry and registry["sort"].lower() != sort:
        message = f"{text} names one of {registry['sort']}, where one of {sort} is wanted"
        yield subject.value_diagnostic("reference-sort", message, *pointer, hint=hint)
    elif rest.lower().startswith(_SHORT_PREFIX):
        message = f"{text} begins with {_SHORT_PREFIX} twice"
        yield subject.value_diagnostic("reference-malformed", message, *pointer, hint=f"did you mean {rest}?")
    elif not (_NAME_AND_VERSION.fullmatch(rest) or _ARM_ID.match(rest) or _AZUREML_URI.match(rest)):
        yield subject.value_diagnostic("reference-malformed", f"{text} is no reference", *pointer, hint=hint)


RULES: tuple[Rule, ...] = (check_malformed_references,)

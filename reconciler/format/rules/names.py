"""The names and versions that Azure ML rejects (reference, section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.pointers import join_pointer
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, has_placeholder

_RESERVED_PREFIXES = ("azureml-", "microsoft")
_DATE_VERSION = re.compile(r"\d{4}-\d\d?-\d\d?(?:[Tt ].*)?")
_ILLEGAL_VERSION_CHARACTER = re.compile(r"[\s:/@\\]")


class NameFormat(NamedTuple):
    """The format of names of one kind, as a pattern and in words."""

    pattern: str
    description: str

    def allows(self, name: str) -> bool:
        """Return True if a name has this format."""
        return re.fullmatch(self.pattern, name) is not None


CONTAINER_NAME = NameFormat(
    r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}",
    "up to 255 letters, digits, - and _, beginning with a letter or a digit",
)
WORKSPACE_NAME = NameFormat(
    r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
    "3 to 33 letters, digits, - and _, beginning with a letter or a digit",
)
COMPUTE_NAME = NameFormat(
    r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9-]{2,23}",
    "3 to 24 letters, digits and -, beginning with a letter and not ending in - and digits",
)
REGISTRY_NAME = NameFormat(
    r"[a-zA-Z0-9][a-zA-Z0-9_-]{1,31}",
    "2 to 32 letters, digits, - and _, beginning with a letter or a digit",
)
ENDPOINT_NAME = NameFormat(
    r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]",
    "3 to 32 letters, digits and -, beginning with a letter and ending in a letter or a digit",
)


@dataclass(frozen=True, slots=True)
class NameRule:
    """The rule that the name of an asset has a given format (section 4, first column A)."""

    name_format: NameFormat

    def __call__(self, context: RuleContext) -> Iterator[Diagnostic]:
        """Yield what is wrong with the name."""
        yield from self.check(context, SpecNode((), context.spec))

    def check(self, context: RuleContext, node: SpecNode) -> Iterator[Diagnostic]:
        """Yield what is wrong with the name of a part of the spec."""
        name = node.spec.get("name")
        if not isinstance(name, str) or self.name_format.allows(name):
            return
        span = context.document.value_span(join_pointer(*node.child_pointer("name")))
        if has_placeholder(name):
            message = f"the name {name} is a placeholder"
            yield Diagnostic("name-placeholder", message, span, f"use {self.name_format.description}", Severity.WARNING)
        elif self.name_format.allows(name.replace(".", "-")):
            # Registries and curated environments have names with dots; a workspace rejects them.
            message = f"the name {name} contains a dot, which only registries allow"
            yield Diagnostic("name-dotted", message, span, f"use {self.name_format.description}", Severity.WARNING)
        else:
            yield Diagnostic("name-illegal", f"{name} is not a valid name", span, f"use {self.name_format.description}")


def check_reserved_name(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield names of environments that are reserved for Microsoft (section 4, column D)."""
    name = context.spec.get("name")
    if isinstance(name, str) and name.lower().startswith(_RESERVED_PREFIXES):
        message = f"{name} is a reserved name: AzureML- and Microsoft are Microsoft's prefixes"
        yield context.value_diagnostic("name-reserved", message, "name", hint="choose another name")


def check_ambiguous_version(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield a version that YAML reads as a different value (section 4, asset version)."""
    yield from find_ambiguous_version(context, SpecNode((), context.spec))


def find_ambiguous_version(context: RuleContext, node: SpecNode) -> Iterator[Diagnostic]:
    """Yield the version of a part of the spec if YAML reads it as a different value."""
    version, pointer = node.spec.get("version"), node.child_pointer("version")
    message = typed = None
    if isinstance(version, str):
        if _DATE_VERSION.fullmatch(version) and context.document.plain_text(join_pointer(*pointer)) is not None:
            message, typed = f"version: {version} is a date in YAML", version
    elif isinstance(version, int | float) and f"version: {version}\n" not in context.document.text:
        typed = context.document.scalar_text(join_pointer(*pointer))
        if typed is not None and typed != str(version):
            reading = "as" if isinstance(version, bool) else "as the number"
            message = f"YAML reads version: {typed} {reading} {str(version).lower()}"
    if message is not None:
        yield context.value_diagnostic("version-ambiguous", message, *pointer, hint=f'write version: "{typed}"')


def check_version_characters(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield a version with characters that end the version in a reference such as azureml:NAME:VERSION."""
    yield from find_illegal_version(context, SpecNode((), context.spec))


def find_illegal_version(context: RuleContext, node: SpecNode) -> Iterator[Diagnostic]:
    """Yield the version of a part of the spec if no reference can name it."""
    version = node.spec.get("version")
    if (
        isinstance(version, str)
        and (match := _ILLEGAL_VERSION_CHARACTER.search(version))
        and not has_placeholder(version)
    ):
        character = "a space" if match[0].isspace() else match[0]
        message = f"no reference can name the version {version}, because it contains {character}"
        pointer = node.child_pointer("version")
        yield context.value_diagnostic("version-illegal", message, *pointer, hint="use letters, digits, -, _ and .")


def check_version_without_name(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield a version without a name, as azure-ai-ml does (section 4, auto version)."""
    if context.spec.get("version") is not None and context.spec.get("name") is None:
        yield context.key_diagnostic("version-unnamed", "version: is given without name:", "version", hint="add name:")


VERSION_RULES: tuple[Rule, ...] = (check_ambiguous_version, check_version_characters, check_version_without_name)
WORKSPACE_RULES: tuple[Rule, ...] = (NameRule(WORKSPACE_NAME),)
COMPUTE_RULES: tuple[Rule, ...] = (NameRule(COMPUTE_NAME),)
REGISTRY_RULES: tuple[Rule, ...] = (NameRule(REGISTRY_NAME),)
ENDPOINT_RULES: tuple[Rule, ...] = (NameRule(ENDPOINT_NAME),)
CONTAINER_RULES: tuple[Rule, ...] = (NameRule(CONTAINER_NAME),)
ASSET_RULES: tuple[Rule, ...] = (*CONTAINER_RULES, *VERSION_RULES)
ENVIRONMENT_RULES: tuple[Rule, ...] = (*ASSET_RULES, check_reserved_name)

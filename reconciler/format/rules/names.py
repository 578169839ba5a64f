"""Names and versions that Azure ML or its service refuses: reference, section 4."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import has_placeholder

_RESERVED_PREFIXES = ("azureml-", "microsoft")
_DATE_VERSION = re.compile(r"\d{4}-\d\d?-\d\d?(?:[Tt ].*)?")
_ILLEGAL_VERSION_CHARACTER = re.compile(r"[\s:/@\\]")
_STRING_MARKERS = frozenset("\"'&!|>*")


@dataclass(frozen=True, slots=True)
class NameFormat:
    """What names of one kind look like, as a pattern and in words."""

    pattern: re.Pattern[str]
    description: str


CONTAINER_NAME = NameFormat(
    re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}"),
    "up to 255 letters, digits, - and _, beginning with a letter or a digit",
)
WORKSPACE_NAME = NameFormat(
    re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}"),
    "3 to 33 letters, digits, - and _, beginning with a letter or a digit",
)
COMPUTE_NAME = NameFormat(
    re.compile(r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9-]{2,23}"),
    "3 to 24 letters, digits and -, beginning with a letter and not ending in - and digits",
)
REGISTRY_NAME = NameFormat(
    re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{1,31}"),
    "2 to 32 letters, digits, - and _, beginning with a letter or a digit",
)
ENDPOINT_NAME = NameFormat(
    re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]"),
    "3 to 32 letters, digits and -, beginning with a letter and ending in a letter or a digit",
)


@dataclass(frozen=True, slots=True)
class NameRule:
    """The rule that the name of an asset has a certain form (section 4, first column A)."""

    name_format: NameFormat

    def __call__(self, subject: RuleContext) -> Iterator[Diagnostic]:
        """Yield what is wrong with the name."""
        name = subject.spec.get("name")
        if not isinstance(name, str) or self.name_format.pattern.fullmatch(name):
            return
        place = subject.document.value_span("/name")
        if has_placeholder(name):
            message = f"{name} stands for a name that is still to be filled in"
            yield Diagnostic(
                "name-placeholder", message, place, f"a name is {self.name_format.description}", Severity.WARNING
            )
        elif self.name_format.pattern.fullmatch(name.replace(".", "-")):
            # Registries and curated environments have names with dots; a workspace refuses to make one.
            message = f"the name {name} has a dot, which only registries allow"
            yield Diagnostic(
                "name-dotted", message, place, f"a name is {self.name_format.description}", Severity.WARNING
            )
        else:
            yield Diagnostic(
                "name-illegal", f"{name} cannot be a name here", place, f"a name is {self.name_format.description}"
            )


def check_reserved_name(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield names of environments that Microsoft keeps for itself (section 4, column D)."""
    name = subject.spec.get("name")
    if isinstance(name, str) and name.lower().startswith(_RESERVED_PREFIXES):
        message = f"{name} is a name of Microsoft's own: AzureML- and Microsoft are reserved"
        yield subject.value_diagnostic("name-reserved", message, "name", hint="give it another name")


def check_ambiguous_version(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield a version that YAML reads as something else than what was typed (section 4, asset version)."""
    version = subject.spec.get("version")
    if isinstance(version, str):
        if _DATE_VERSION.fullmatch(version) and not _is_quoted(subject):
            yield _ambiguous_version_diagnostic(subject, f"version: {version} is a date to YAML", version)
    elif isinstance(version, int | float) and f"version: {version}\n" not in subject.document.text:
        typed = subject.document.scalar_text("/version")
        if typed is not None and typed != str(version):
            sort = "as" if isinstance(version, bool) else "as the number"
            yield _ambiguous_version_diagnostic(
                subject, f"version: {typed} is read {sort} {str(version).lower()}", typed
            )


def _ambiguous_version_diagnostic(subject: RuleContext, message: str, typed: str) -> Diagnostic:
    return subject.value_diagnostic("version-ambiguous", message, "version", hint=f'write version: "{typed}"')


def _is_quoted(subject: RuleContext) -> bool:
    """Tell whether the version stands in quotes or has another mark that makes it text."""
    place = subject.document.value_span("/version")
    lines = subject.document.text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    return line[place.column - 1 : place.column] in _STRING_MARKERS


def check_version_characters(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield a version that no reference can name, because azureml:NAME:VERSION would be read differently."""
    version = subject.spec.get("version")
    if (
        isinstance(version, str)
        and (found := _ILLEGAL_VERSION_CHARACTER.search(version))
        and not has_placeholder(version)
    ):
        mark = "a space" if found[0].isspace() else found[0]
        message = f"no reference can name the version {version}: it has {mark} in it"
        yield subject.value_diagnostic("version-illegal", message, "version", hint="use letters, digits, -, _ and .")


def check_version_without_name(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield a version of nothing: azure-ai-ml refuses one without a name (section 4, auto version)."""
    if subject.spec.get("version") is not None and subject.spec.get("name") is None:
        yield subject.key_diagnostic("version-unnamed", "there is a version but no name", "version", hint="add name:")


VERSION_RULES: tuple[Rule, ...] = (check_ambiguous_version, check_version_characters, check_version_without_name)
WORKSPACE_RULES: tuple[Rule, ...] = (NameRule(WORKSPACE_NAME),)
COMPUTE_RULES: tuple[Rule, ...] = (NameRule(COMPUTE_NAME),)
REGISTRY_RULES: tuple[Rule, ...] = (NameRule(REGISTRY_NAME),)
ENDPOINT_RULES: tuple[Rule, ...] = (NameRule(ENDPOINT_NAME),)
CONTAINER_RULES: tuple[Rule, ...] = (NameRule(CONTAINER_NAME),)
ASSET_RULES: tuple[Rule, ...] = (*CONTAINER_RULES, *VERSION_RULES)
ENVIRONMENT_RULES: tuple[Rule, ...] = (*ASSET_RULES, check_reserved_name)

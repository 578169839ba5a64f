"""Names and versions that Azure ML or its service refuses: reference, section 4."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.rules.parts import placeholder
from reconciler.format.subject import Rule, Subject

_RESERVED = ("azureml-", "microsoft")
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?(?:[Tt ].*)?")
_UNREFERABLE = re.compile(r"[\s:/@\\]")
_QUOTES = frozenset("\"'&!|>*")


@dataclass(frozen=True, slots=True)
class Form:
    """What names of one kind look like, as a pattern and in words."""

    pattern: re.Pattern[str]
    words: str


CONTAINER = Form(
    re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}"),
    "up to 255 letters, digits, - and _, beginning with a letter or a digit",
)
WORKSPACE = Form(
    re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}"),
    "3 to 33 letters, digits, - and _, beginning with a letter or a digit",
)
COMPUTE = Form(
    re.compile(r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9-]{2,23}"),
    "3 to 24 letters, digits and -, beginning with a letter and not ending in - and digits",
)
REGISTRY = Form(
    re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{1,31}"),
    "2 to 32 letters, digits, - and _, beginning with a letter or a digit",
)
ENDPOINT = Form(
    re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]"),
    "3 to 32 letters, digits and -, beginning with a letter and ending in a letter or a digit",
)


@dataclass(frozen=True, slots=True)
class Named:
    """The rule that the name of an asset has a certain form (section 4, first column A)."""

    form: Form

    def __call__(self, subject: Subject) -> Iterator[Diagnostic]:
        """Yield what is wrong with the name."""
        name = subject.spec.get("name")
        if not isinstance(name, str) or self.form.pattern.fullmatch(name):
            return
        place = subject.document.value("/name")
        if placeholder(name):
            message = f"{name} stands for a name that is still to be filled in"
            yield Diagnostic("name-placeholder", message, place, f"a name is {self.form.words}", Severity.WARNING)
        elif self.form.pattern.fullmatch(name.replace(".", "-")):
            # Registries and curated environments have names with dots; a workspace refuses to make one.
            message = f"the name {name} has a dot, which only registries allow"
            yield Diagnostic("name-dotted", message, place, f"a name is {self.form.words}", Severity.WARNING)
        else:
            yield Diagnostic("name-illegal", f"{name} cannot be a name here", place, f"a name is {self.form.words}")


def reserved(subject: Subject) -> Iterator[Diagnostic]:
    """Yield names of environments that Microsoft keeps for itself (section 4, column D)."""
    name = subject.spec.get("name")
    if isinstance(name, str) and name.lower().startswith(_RESERVED):
        message = f"{name} is a name of Microsoft's own: AzureML- and Microsoft are reserved"
        yield subject.at_value("name-reserved", message, "name", hint="give it another name")


def ambiguous_version(subject: Subject) -> Iterator[Diagnostic]:
    """Yield a version that YAML reads as something else than what was typed (section 4, asset version)."""
    version = subject.spec.get("version")
    if isinstance(version, str):
        if _DATE.fullmatch(version) and not _quoted(subject):
            yield _read_otherwise(subject, f"version: {version} is a date to YAML", version)
    elif isinstance(version, int | float) and f"version: {version}\n" not in subject.document.text:
        typed = subject.document.typed("/version")
        if typed is not None and typed != str(version):
            sort = "as" if isinstance(version, bool) else "as the number"
            yield _read_otherwise(subject, f"version: {typed} is read {sort} {str(version).lower()}", typed)


def _read_otherwise(subject: Subject, message: str, typed: str) -> Diagnostic:
    return subject.at_value("version-ambiguous", message, "version", hint=f'write version: "{typed}"')


def _quoted(subject: Subject) -> bool:
    """Tell whether the version stands in quotes or has another mark that makes it text."""
    place = subject.document.value("/version")
    lines = subject.document.text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    return line[place.column - 1 : place.column] in _QUOTES


def unreferable_version(subject: Subject) -> Iterator[Diagnostic]:
    """Yield a version that no reference can name, because azureml:NAME:VERSION would be read differently."""
    version = subject.spec.get("version")
    if isinstance(version, str) and (found := _UNREFERABLE.search(version)) and not placeholder(version):
        mark = "a space" if found[0].isspace() else found[0]
        message = f"no reference can name the version {version}: it has {mark} in it"
        yield subject.at_value("version-illegal", message, "version", hint="use letters, digits, -, _ and .")


def unnamed_version(subject: Subject) -> Iterator[Diagnostic]:
    """Yield a version of nothing: azure-ai-ml refuses one without a name (section 4, auto version)."""
    if subject.spec.get("version") is not None and subject.spec.get("name") is None:
        yield subject.at_key("version-unnamed", "there is a version but no name", "version", hint="add name:")


VERSION_RULES: tuple[Rule, ...] = (ambiguous_version, unreferable_version, unnamed_version)
WORKSPACE_RULES: tuple[Rule, ...] = (Named(WORKSPACE),)
COMPUTE_RULES: tuple[Rule, ...] = (Named(COMPUTE),)
REGISTRY_RULES: tuple[Rule, ...] = (Named(REGISTRY),)
ENDPOINT_RULES: tuple[Rule, ...] = (Named(ENDPOINT),)
CONTAINER_RULES: tuple[Rule, ...] = (Named(CONTAINER),)
ASSET_RULES: tuple[Rule, ...] = (*CONTAINER_RULES, *VERSION_RULES)
ENVIRONMENT_RULES: tuple[Rule, ...] = (*ASSET_RULES, reserved)

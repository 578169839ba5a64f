"""Endpoints and deployments: how traffic is shared out, and what a deployment serves. Reference, section 8."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.rules.parts import Part, lower, mapping, whole
from reconciler.format.subject import Rule, Subject

_ALL = 100
_MIRRORED = 50
_SUMMARY = "summary_only"


def traffic(subject: Subject) -> Iterator[Diagnostic]:
    """Yield traffic of more than 100 %, as azure-ai-ml does; and of less, which the service refuses unless it is 0."""
    shares = {name: whole(share) for name, share in mapping(subject.spec.get("traffic")).items()}
    yield from _impossible(subject, "traffic", shares)
    total = sum(share or 0 for share in shares.values())
    if total > _ALL:
        message = f"the shares of traffic add up to {total} %, more than {_ALL}"
        yield subject.at_key("traffic-sum", message, "traffic", hint=f"make them add up to {_ALL}")
    elif 0 < total < _ALL:
        message = f"the shares of traffic add up to {total} %; the rest goes nowhere"
        place = subject.document.key("/traffic")
        yield Diagnostic("traffic-part", message, place, f"make them add up to {_ALL}, or to 0", Severity.WARNING)


def mirrored(subject: Subject) -> Iterator[Diagnostic]:
    """Yield mirrored traffic that the service refuses: one deployment gets at most 50 %, and none that is live."""
    live = mapping(subject.spec.get("traffic"))
    shares = {name: whole(share) for name, share in mapping(subject.spec.get("mirror_traffic")).items()}
    yield from _impossible(subject, "mirror_traffic", shares)
    taken = [name for name, share in shares.items() if share]
    place = subject.document.key("/mirror_traffic")
    if len(taken) > 1:
        message = f"traffic can be mirrored to one deployment, not to {', '.join(map(str, taken))}"
        yield Diagnostic("traffic-mirror", message, place, "", Severity.WARNING)
    for name in taken:
        at = subject.document.value(f"/mirror_traffic/{name}")
        if (shares[name] or 0) > _MIRRORED:
            message = f"at most {_MIRRORED} % of the traffic can be mirrored, not {shares[name]} %"
            yield Diagnostic("traffic-mirror", message, at, "", Severity.WARNING)
        if whole(live.get(name)):
            message = f"{name} has live traffic already; it cannot have mirrored traffic, too"
            yield Diagnostic("traffic-mirror", message, at, "", Severity.WARNING)


def _impossible(subject: Subject, field: str, shares: dict[str, int | None]) -> Iterator[Diagnostic]:
    for name, share in shares.items():
        if share is not None and share < 0:
            yield subject.at_value("traffic-share", f"{share} % is no share of traffic", field, name)


def serves_nothing(subject: Subject) -> Iterator[Diagnostic]:
    """Yield deployments with nothing to serve: no model, no environment, no component (section 8, lax).

    A warning, because files about leave the model to the command line.
    """
    if not any(subject.spec.get(each) is not None for each in ("model", "environment", "component", "job_definition")):
        message = "the deployment has neither a model nor an environment: nothing to serve"
        hint = "add model:, or environment: with what it serves"
        yield Diagnostic("deployment-empty", message, subject.document.key(""), hint, Severity.WARNING)


def summary_file(subject: Subject) -> Iterator[Diagnostic]:
    """Yield a file name for output that is not written, as azure-ai-ml does of the older form of batch deployments."""
    root = Part((), subject.spec)
    for part in (root, root.inner("settings")):
        if lower(part.spec.get("output_action")) == _SUMMARY and part.spec.get("output_file_name"):
            message = f"with output_action: {_SUMMARY} no file is written"
            hint = "remove it, or write output_action: append_row"
            yield subject.at_key("output-file-unused", message, *part.below("output_file_name"), hint=hint)


ENDPOINT_RULES: tuple[Rule, ...] = (traffic, mirrored)
DEPLOYMENT_RULES: tuple[Rule, ...] = (serves_nothing, summary_file)

"""Endpoints and deployments: how traffic is shared out, and what a deployment serves. Reference, section 8."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, as_integer, as_lower_text, as_mapping

_FULL_TRAFFIC = 100
_MAX_MIRRORED = 50
_SUMMARY_ONLY = "summary_only"


def check_traffic(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield traffic of more than 100 %, as azure-ai-ml does; and of less, which the service refuses unless it is 0."""
    shares = {name: as_integer(share) for name, share in as_mapping(subject.spec.get("traffic")).items()}
    yield from _check_negative_shares(subject, "traffic", shares)
    total = sum(share or 0 for share in shares.values())
    if total > _FULL_TRAFFIC:
        message = f"the shares of traffic add up to {total} %, more than {_FULL_TRAFFIC}"
        yield subject.key_diagnostic("traffic-sum", message, "traffic", hint=f"make them add up to {_FULL_TRAFFIC}")
    elif 0 < total < _FULL_TRAFFIC:
        message = f"the shares of traffic add up to {total} %; the rest goes nowhere"
        place = subject.document.key_span("/traffic")
        yield Diagnostic(
            "traffic-part", message, place, f"make them add up to {_FULL_TRAFFIC}, or to 0", Severity.WARNING
        )


def check_mirror_traffic(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield mirrored traffic that the service refuses: one deployment gets at most 50 %, and none that is live."""
    live = as_mapping(subject.spec.get("traffic"))
    shares = {name: as_integer(share) for name, share in as_mapping(subject.spec.get("mirror_traffic")).items()}
    yield from _check_negative_shares(subject, "mirror_traffic", shares)
    taken = [name for name, share in shares.items() if share]
    place = subject.document.key_span("/mirror_traffic")
    if len(taken) > 1:
        message = f"traffic can be mirrored to one deployment, not to {', '.join(map(str, taken))}"
        yield Diagnostic("traffic-mirror", message, place, "", Severity.WARNING)
    for name in taken:
        at = subject.document.value_span(f"/mirror_traffic/{name}")
        if (shares[name] or 0) > _MAX_MIRRORED:
            message = f"at most {_MAX_MIRRORED} % of the traffic can be mirrored, not {shares[name]} %"
            yield Diagnostic("traffic-mirror", message, at, "", Severity.WARNING)
        if as_integer(live.get(name)):
            message = f"{name} has live traffic already; it cannot have mirrored traffic, too"
            yield Diagnostic("traffic-mirror", message, at, "", Severity.WARNING)


def _check_negative_shares(subject: RuleContext, field: str, shares: dict[str, int | None]) -> Iterator[Diagnostic]:
    for name, share in shares.items():
        if share is not None and share < 0:
            yield subject.value_diagnostic("traffic-share", f"{share} % is no share of traffic", field, name)


def check_empty_deployment(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield deployments with nothing to serve: no model, no environment, no component (section 8, lax).

    A warning, because files about leave the model to the command line.
    """
    if not any(subject.spec.get(each) is not None for each in ("model", "environment", "component", "job_definition")):
        message = "the deployment has neither a model nor an environment: nothing to serve"
        hint = "add model:, or environment: with what it serves"
        yield Diagnostic("deployment-empty", message, subject.document.key_span(""), hint, Severity.WARNING)


def check_unused_output_file(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield a file name for output that is not written, as azure-ai-ml does of the older form of batch deployments."""
    root = SpecNode((), subject.spec)
    for part in (root, root.child("settings")):
        if as_lower_text(part.spec.get("output_action")) == _SUMMARY_ONLY and part.spec.get("output_file_name"):
            message = f"with output_action: {_SUMMARY_ONLY} no file is written"
            hint = "remove it, or write output_action: append_row"
            yield subject.key_diagnostic(
                "output-file-unused", message, *part.child_pointer("output_file_name"), hint=hint
            )


ENDPOINT_RULES: tuple[Rule, ...] = (check_traffic, check_mirror_traffic)
DEPLOYMENT_RULES: tuple[Rule, ...] = (check_empty_deployment, check_unused_output_file)

"""The traffic of endpoints, and the content of deployments (reference, section 8)."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, as_integer, as_lower_text, as_mapping

_FULL_TRAFFIC = 100
_MAX_MIRRORED = 50
_SUMMARY_ONLY = "summary_only"


def check_traffic(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield traffic above 100 %, as azure-ai-ml does, and below, which the service rejects unless it is 0."""
    shares = {name: as_integer(share) for name, share in as_mapping(context.spec.get("traffic")).items()}
    yield from _check_negative_shares(context, "traffic", shares)
    total = sum(share or 0 for share in shares.values())
    if total > _FULL_TRAFFIC:
        message = f"the traffic adds up to {total} %, more than {_FULL_TRAFFIC} %"
        yield context.key_diagnostic(
            "traffic-sum", message, "traffic", hint=f"make the shares add up to {_FULL_TRAFFIC}"
        )
    elif 0 < total < _FULL_TRAFFIC:
        message = f"the traffic adds up to {total} %, less than {_FULL_TRAFFIC} %"
        span = context.document.key_span("/traffic")
        yield Diagnostic(
            "traffic-part", message, span, f"make the shares add up to {_FULL_TRAFFIC}, or to 0", Severity.WARNING
        )


def check_mirror_traffic(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield mirrored traffic that the service rejects: at most 50 %, to one deployment without live traffic."""
    live_shares = as_mapping(context.spec.get("traffic"))
    shares = {name: as_integer(share) for name, share in as_mapping(context.spec.get("mirror_traffic")).items()}
    yield from _check_negative_shares(context, "mirror_traffic", shares)
    mirrored = [name for name, share in shares.items() if share]
    span = context.document.key_span("/mirror_traffic")
    if len(mirrored) > 1:
        message = f"traffic can be mirrored to one deployment, not to {', '.join(map(str, mirrored))}"
        yield Diagnostic("traffic-mirror", message, span, "", Severity.WARNING)
    for name in mirrored:
        span = context.document.value_span(f"/mirror_traffic/{name}")
        if (shares[name] or 0) > _MAX_MIRRORED:
            message = f"at most {_MAX_MIRRORED} % of the traffic can be mirrored, not {shares[name]} %"
            yield Diagnostic("traffic-mirror", message, span, "", Severity.WARNING)
        if as_integer(live_shares.get(name)):
            message = f"{name} has live traffic, so no traffic can be mirrored to it"
            yield Diagnostic("traffic-mirror", message, span, "", Severity.WARNING)


def _check_negative_shares(context: RuleContext, field: str, shares: dict[str, int | None]) -> Iterator[Diagnostic]:
    for name, share in shares.items():
        if share is not None and share < 0:
            yield context.value_diagnostic("traffic-share", f"a share of traffic cannot be {share} %", field, name)


def check_empty_deployment(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield deployments without a model, an environment and a component (section 8, lax).

    This is a warning, because some files leave the model to the command line.
    """
    if not any(
        context.spec.get(field) is not None for field in ("model", "environment", "component", "job_definition")
    ):
        message = "the deployment has no model and no environment"
        hint = "add model: or environment:"
        yield Diagnostic("deployment-empty", message, context.document.key_span(""), hint, Severity.WARNING)


def check_unused_output_file(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield a name for an output file that is not written; azure-ai-ml checks only the older form of deployments."""
    root = SpecNode((), context.spec)
    for node in (root, root.child("settings")):
        if as_lower_text(node.spec.get("output_action")) == _SUMMARY_ONLY and node.spec.get("output_file_name"):
            message = f"output_file_name has no effect with output_action: {_SUMMARY_ONLY}"
            hint = "remove it, or write output_action: append_row"
            yield context.key_diagnostic(
                "output-file-unused", message, *node.child_pointer("output_file_name"), hint=hint
            )


ENDPOINT_RULES: tuple[Rule, ...] = (check_traffic, check_mirror_traffic)
DEPLOYMENT_RULES: tuple[Rule, ...] = (check_empty_deployment, check_unused_output_file)

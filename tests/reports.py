"""Reports on changes, from an empty one to one of 5,000 actions, as they are read from a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from planning.project import InMemoryProject, edited, plan_options_of, small, without

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.model import Address, Json, Plan, ReuseForecast, StepForecast, StepVerdict, TableComparison
from reconciler.model.data_diff import Column, FileChange, RowBlock, TableDiff, TypeChange, ValueChange
from reconciler.planning.report import Report
from reconciler.planning.saved import SavedPlan, plan_body_digest
from reconciler.render.plan_json import plan_body
from reconciler.render.report_json import dump_report, parse_report
from reconciler.render.report_markdown import ReportLinks

BASE, COMMIT = "0123456789" * 4, "abcdef0123" * 4
LINKS = ReportLinks(
    "https://github.com/acme/models/actions/runs/17",
    "https://github.com/acme/models/actions/runs/17/artifacts/4",
    f"https://github.com/acme/models/blob/{COMMIT}/",
)
# What a stranger would write to be more than text: syntax of Markdown, HTML and Mermaid, links, mentions, commands.
HOSTILE = (
    "</details><img src=x onerror=alert(1)>",
    "[click](https://evil.example/x) ![pixel](https://evil.example/p.png)",
    "@acme/everyone &commat;ada &#64;ada \\@ada #1 GH-12 acme/models#7 !3 ~bug 0123456789abcdef",
    "https://evil.example www.evil.example ada@evil.example mailto:ada@evil.example <https://evil.example>",
    "a | b \\| c `d | e` ``f` | `",
    "\n\n# heading\n- item\n```\nend of code\n```\n~~~\n",
    '"] --> x[label]; click n0 "https://evil.example"; %%{init: {}}%%',
    "$x$ :tada: **bold** _it_ <!-- --> --> 1. one + two",
    "\u202eevil\u202c \u200b\x1b[31mred ::error::x ##[error]x",
)


def saved(body: Json) -> SavedPlan:
    """Return a saved plan with this body."""
    envelope = {"commit": COMMIT, "dirty": False, "state": BASE, "tool": "1.0", "made_at": "2026-11-30T00:00:00Z"}
    return SavedPlan(envelope | {"digest": plan_body_digest(body)}, body)


def report(plan: SavedPlan | None = None, **more: Any) -> Report:
    """Return a report as it is read back from its file."""
    return parse_report("report.json", dump_report(Report(BASE, COMMIT, plan, **more)).encode())


def body_of(actions: Sequence[Json] = (), pending: Sequence[Json] = (), **more: Any) -> Json:
    """Return the body of a plan with these actions; what it counts itself is wrong on purpose."""
    counts = dict.fromkeys(("changes", "decisions", "drift", "failed", "submissions", "waiting"), 7)
    return {
        "tree": COMMIT,
        "state": {"name": "small", "lineage": "1" * 32, "target": "default"},
        "options": {
            "select": [],
            "exclude": [],
            "replace": [],
            "allow_submit": None,
            "allow_mass_delete": False,
            "allow_rewind": False,
        },
        "summary": counts,
        "actions": list(actions),
        "pending": list(pending),
        "drift": [],
        "notes": [],
        "reads": {},
    } | more


def action(op: str, address: str, what: str, **more: Any) -> Json:
    """Return an action as a plan file has it."""
    sentence = f"{what.replace('run', f'run of {address}', 1)}" if op == "submit" else f"{address}: {what}"
    return {"key": f"{op} {address}", "action": op, "address": address, "sentence": sentence} | more


def change(field: str, before: Json, after: Json) -> Json:
    """Return a changed field as a plan file has it."""
    return {"field": field, "change": "changed", "before": before, "after": after}


def run(job: str, why: str, **more: Any) -> Json:
    """Return the submission of a job on a cluster."""
    on = {"runs_on": [{"compute": "gpu-cluster", "backend": "slurm"}], "backend": "slurm", "attempt": 1}
    return action("submit", f"job/{job}", f"new run because {why}", **(on | more))


def many_actions(number: int) -> list[Json]:
    """Return actions of all kinds, so that the worst are at the end of the plan."""
    created = [action("new-version", f"data/part-{index:04}", "new version 2") for index in range(number - 60)]
    runs = [run(f"train-{index:02}", "data/part-0000 changed (1 -> 2)") for index in range(20)]
    archived = [
        action("archive", f"model/old-{index:02}", "archive because it is no longer in Git") for index in range(30)
    ]
    deleted = [action("delete", f"compute/gone-{index}", "delete") for index in range(5)]
    replaced = [action("replace", f"datastore/moved-{index}", "replace because type") for index in range(5)]
    return [*created, *runs, *archived, *replaced, *deleted]


def _of_project(plan: Plan, **more: Any) -> Report:
    return report(saved(plan_body(plan, plan_options_of(small()))), **more)


def _applied() -> InMemoryProject:
    project = InMemoryProject()
    project.converge(small())
    return project


ERRORS = (
    Diagnostic(
        "reference-dangling",
        "environment azureml:sklaern@latest: no file declares environment/sklaern",
        Span("jobs/train.yml", 4, 14),
        "did you mean environment/sklearn?",
        places=(Span("jobs/test.yml", 4, 14), Span("jobs/tune.yml", 9, 16)),
    ),
    Diagnostic(
        "secret-literal",
        "a key is written here",
        Span("datastores/blob.yml", 7, 18),
        "bind it in mlgit.yml:",
        example=("secrets:", "  KEY: {from: env:BLOB_KEY, for: [datastore/blob]}"),
    ),
    Diagnostic(
        "too-many-runs", "this plan starts 12 runs; limits: submit: is 10", hint="`mlgit plan --allow-submit 12`"
    ),
    Diagnostic(
        "binding-legacy", "`${{inputs.x}}` is written as before", Span("jobs/a.yml", 3), severity=Severity.WARNING
    ),
    Diagnostic("moved-suggested", "data/a seems to be data/b", Span("data/b.yml"), severity=Severity.NOTE),
)
POLICIES = (
    Diagnostic(
        "policy-failed", "no-floating-tags: environment/cuda uses the tag latest", Span("environments/cuda.yml", 3, 8)
    ),
    Diagnostic(
        "policy-failed", "owner-tag: model/iris has no owner", Span("models/iris.yml"), severity=Severity.WARNING
    ),
    Diagnostic("policy-pending", "auc-gate: known after job/train", severity=Severity.NOTE),
)


def _pipeline() -> Report:
    steps = (
        ("prep", "same", "train-1a2b3c4d/prep"),
        ("train", "changed", "inputs.lr 0.1 -> 0.2"),
        ("score", "known-after", "train"),
    )
    computes = [{"compute": "cpu", "backend": "local", "steps": 2}, {"compute": "gpu", "backend": "slurm", "steps": 1}]
    pipeline = run(
        "train",
        "jobs.train.inputs.lr 0.1 -> 0.2",
        runs_on=computes,
        backend="driver",
        steps=[{"step": step, "verdict": verdict, "cause": cause} for step, verdict, cause in steps],
        changes=[change("jobs.train.inputs.lr", 0.1, 0.2)],
        impact=[{"address": "model/iris", "direct": True}, {"address": "endpoint/iris", "direct": False}],
        version="train-5e6f7a8b",
    )
    model = action("new-version", "model/iris", "new version, known after job/train", known_after="job/train")
    endpoint = action(
        "replace", "endpoint/iris", "replace because model/iris changed", references={"/model": "model/iris"}
    )
    forecast = ReuseForecast(
        Address("job", "train"),
        tuple(StepForecast(step, StepVerdict(verdict), cause) for step, verdict, cause in steps),
    )
    return report(saved(body_of([pipeline, model, endpoint])), forecasts=(forecast,))


def _pending_on_base() -> Report:
    actions = [
        run("tune", "inputs.trials 10 -> 20", changes=[change("inputs.trials", 10, 20)]),
        action("new-version", "data/iris", "new version 3 because path changed (iris.csv)"),
        run("train", "data/iris changed (2 -> 3)"),
    ]
    drift = ["compute/gpu-cluster: max_instances is 8, recorded as 4", "run train-1a2b3c4d of job/train is gone"]
    waiting = {"address": "model/iris", "failed": False, "message": "waits for run train-5e6f7a8b, which runs"}
    failed = {"address": "job/score", "failed": True, "message": "run score-9f8e7d6c failed: exit code 1"}
    manual = {"address": "job/report", "failed": False, "message": "is run by hand", "manual": True}
    notes = ("mlgit.yml of the change: limits counts once it is merged",)
    body = body_of(actions, [waiting, failed, manual], drift=drift, notes=["data/iris: 2 files are not in Git"])
    return report(saved(body), pending=frozenset({actions[1]["key"], actions[2]["key"]}), notes=notes)


def _refused() -> Report:
    refusal = Diagnostic(
        "not-supported",
        "job/big: backend local does not support resources.instance_count: 4",
        Span("jobs/big.yml", 8, 5),
    )
    entry = {
        "address": "job/big",
        "failed": True,
        "message": "backend local does not support resources.instance_count: 4 (jobs/big.yml:8:5)",
        "refusals": [
            {
                "path": "jobs/big.yml",
                "line": 8,
                "column": 5,
                "severity": "error",
                "code": refusal.code,
                "message": refusal.message,
                "hint": "",
            }
        ],
    }
    return report(saved(body_of([run("small", "its code changed")], [entry])), diagnostics=(refusal,))


def table_of(name: str) -> TableDiff:
    """Return a difference of two tables with a column of this name in every part of it."""
    column = Column(name, name)
    types, values = (TypeChange(name, name, name),), (ValueChange(name, 2),)
    return TableDiff(3, 4, (column,), (column,), types, values, 2, RowBlock(1, 3), 2, name)


def _tables() -> Report:
    content = {"changed": {"files": 3, "before": 4100, "after": 4164}}
    data = action("new-version", "data/iris", "new version 2 because path changed (train.csv)", content=content)
    block = TableDiff(150, 151, added=(Column("note", "string"),), equal=5, block=RowBlock(1, 150))
    values = TableDiff(150, 150, values=(ValueChange("petal_width", 1),), equal=4)
    late = TableDiff(not_compared="more than 1 s")
    files = (
        FileChange("test.csv", 1000, 1032, values),
        FileChange("train.csv", 3000, 3032, block),
        FileChange("x.parquet", 100, 100, late),
    )
    comparison = TableComparison(Address("data", "iris"), files, 2, "mlgit diff data/iris@1 data/iris@2")
    other = action("new-version", "data/other", "new version 2 because path changed (b.csv)", content=content)
    hint = TableComparison(Address("data", "other"), hint="install 'mlgit[tables]' to see columns")
    return report(saved(body_of([data, other])), forecasts=(comparison, hint))


def hostile_report(texts: Sequence[str] = HOSTILE) -> Report:
    """Return a report that has these texts wherever it has text."""
    names = [" ".join(text.split()) for text in texts]  # the schema allows no line break in an address
    actions = [
        action(
            op,
            f"job/{name}",
            f"new run because {text}",
            version=text,
            changes=[change(text, text, f"{text}\n{text}"), change("value", [text], {text: text})],
            impact=[{"address": f"model/{name}", "direct": True}, {"address": "model/x", "direct": False}],
            known_after=f"job/{previous}",
            runs_on=[{"compute": text, "backend": text}],
            steps=[{"step": text, "verdict": "changed", "cause": text}],
            **({"content": {"changed": {"files": 1}}} if op == "new-version" else {}),
        )
        for name, text, previous in zip(names, texts, [*names[1:], *names[:1]], strict=True)
        for op in ("delete", "submit", "new-version")
    ]
    pending = [
        {"address": f"data/{name}", "failed": True, "message": text} for name, text in zip(names, texts, strict=True)
    ]
    diagnostics = [
        Diagnostic("a-b", text, Span(text, 3, 4), text, severity, (Span(text),), (text,))
        for text in texts
        for severity in Severity
    ]
    return report(
        saved(body_of(actions, pending, drift=list(texts), notes=list(texts))),
        pending=frozenset(item["key"] for item in actions[:2]),
        diagnostics=tuple(diagnostics),
        notes=tuple(texts),
        forecasts=(
            *(ReuseForecast(Address("job", name), not_asked=text) for name, text in zip(names, texts, strict=True)),
            *(
                TableComparison(Address("job", name), (FileChange(text, 1, 2, table_of(text)),), 3, text, text)
                for name, text in zip(names, texts, strict=True)
            ),
        ),
    )


def _huge_fields() -> Report:
    script = "\n".join(f"echo {number}" for number in range(300))
    edits = [
        action(
            "update",
            f"component/step-{index}",
            "update in place, description changed",
            changes=[
                change("description", "a " * 4000 + "before", "a " * 4000 + "after"),
                change("command", script, script.replace("echo 150", "echo hello")),
                *(change(f"tags.key-{number}", f"{number}", f"{number + 1}") for number in range(100)),
            ],
        )
        for index in range(30)
    ]
    return report(saved(body_of(edits)))


REPORTS: Mapping[str, Callable[[], Report]] = {
    "empty": report,
    "no-changes": lambda: report(saved(body_of())),
    "errors": lambda: report(diagnostics=ERRORS, target="production"),
    "errors-and-policies": lambda: report(
        saved(body_of([run("train", "environment/cuda changed (3 -> 4)")])), diagnostics=(*ERRORS[2:], *POLICIES)
    ),
    "first-plan": lambda: _of_project(InMemoryProject().plan(small())),
    "job": lambda: _of_project(_applied().plan(edited("jobs/sum.yml", "factor: 2", "factor: 3"))),
    "environment-and-removal": lambda: _of_project(
        _applied().plan(edited("environments/plain.yml", "image: python", "image: other", without("models/total.yml")))
    ),
    "pipeline": _pipeline,
    "tables": _tables,
    "removals": lambda: report(saved(body_of(many_actions(80)))),
    "pending-on-base": _pending_on_base,
    "refused": _refused,
    "hostile": hostile_report,
    "huge-fields": _huge_fields,
    "5000-actions": lambda: report(saved(body_of(many_actions(5000)))),
}

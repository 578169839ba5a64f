"""Unexpected exceptions of providers and of the state: the failure of one action, and of nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from workspaces import SMALL, commit, git, until, write

from reconciler.model import Op

pytestmark = pytest.mark.slow

RAISING = Path(__file__).with_name("raising.py")
SECRET = "s3cr3t-of-the-user"  # noqa: S105 - made up
SIDES = ("good", "bad")
SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/{}.schema.json\n"
MLGIT_YML = """
    state: {name: small, lineage: "11111111111111111111111111111111"}
    store: {path: .mlgit/store}
    backends: {local: {type: local, slots: 8}}
    compute: {"*": local}
    on_supersede: cancel
    """
# The asset, without the side, that each kind of action is about, and the step of a rename.
SUBJECTS = {
    Op.CREATE: "compute/created",
    Op.UPDATE: "compute/updated",
    Op.REPLACE: "compute/replaced",
    Op.DELETE: "compute/deleted",
    Op.NEW_VERSION: "data/versioned",
    Op.ARCHIVE: "data/archived",
    Op.RENAME: "data/renamed",
    Op.ADOPT: "data/adopted",
    Op.REPAIR: "data/lost",
    Op.BUILD: "environment/built",
    Op.SUBMIT: "job/submitted",
    Op.CANCEL: "job/canceled",
    Op.RECORD: "job/recorded",
    Op.REGISTER: "model/registered",
}


def asset(schema, name, **fields):
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in fields.items())
    return f"{SCHEMA.format(schema)}name: {name}\n{text}"


def compute(name, **fields):
    return asset("amlCompute", name, type="amlcompute", size="a", **fields)


def data(folder, name, text, **fields):
    path, fields = f"data/{name}", {"type": "uri_file", "path": f"{name}.csv", **fields}
    write(folder, {f"{path}.csv": text, f"{path}.yml": asset("data", name, **fields)})


def job(folder, name, command, environment="plain"):
    fields = {"command": command, "compute": "local", "environment": f"azureml:{environment}@latest"}
    fields |= {"outputs": {"o": {"type": "uri_folder"}}, "environment_variables": {"DB_PASSWORD": SECRET}}
    write(folder, {f"jobs/{name}.yml": asset("commandJob", name, **fields)})


def before(folder, side):
    """Write one side of what is applied before anything raises."""
    for name in ("updated", "replaced", "deleted"):
        write(folder, {f"compute/{side}-{name}.yml": compute(f"{side}-{name}")})
    for name in ("versioned", "archived", "former", "lost"):
        data(folder, f"{side}-{name}", f"{side} {name} 1")
    data(folder, f"{side}-adopted", f"{side} adopted 1", version="1")
    wait_for_go = "for i in $(seq 600); do test -e ../../../../../../go && break; sleep 0.1; done"
    job(folder, f"{side}-recorded", wait_for_go)
    job(folder, f"{side}-canceled", "sleep 600")


def change(folder, side):
    """Write one side of what is applied while calls raise."""
    write(
        folder,
        {
            f"compute/{side}-created.yml": compute(f"{side}-created"),
            f"compute/{side}-updated.yml": compute(f"{side}-updated", description="new"),
            f"compute/{side}-replaced.yml": compute(f"{side}-replaced").replace('"a"', '"b"'),
            f"environments/{side}-built.yml": SMALL["environments/plain.yml"]
            .replace("plain", f"{side}-built")
            .replace("3.11", "3.10" if side == "good" else "3.9"),
            f"models/{side}-registered.yml": asset(
                "model",
                f"{side}-registered",
                type="custom_model",
                path="azureml://jobs/good-recorded/outputs/o",
            ),
        },
    )
    for gone in (f"compute/{side}-deleted.yml", f"data/{side}-archived.yml", f"data/{side}-former.yml"):
        (folder / gone).unlink()
    data(folder, f"{side}-versioned", f"{side} versioned 2")
    data(folder, f"{side}-adopted", f"{side} adopted 1", version="1")
    data(folder, f"{side}-renamed", f"{side} former 1")
    job(folder, f"{side}-submitted", "true")
    job(folder, f"{side}-dependent", "true", environment=f"{side}-built")
    job(folder, f"{side}-canceled", "true")


@dataclass
class Scenario:
    """A workspace of which every kind of action is applied twice: one succeeds, one raises."""

    folder: Path
    exit_code: int = 0
    events: list[dict] = field(default_factory=list)
    error_output: str = ""

    def mlgit(self, *arguments, script=("-m", "reconciler")):
        command = [sys.executable, *script, *arguments]
        environment = {**os.environ, "SECRET": SECRET}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    def apply(self, *options):
        result = self.mlgit("apply", "--auto-approve", *options)
        assert result.returncode == 0, result.stdout + result.stderr

    def events_of(self, side, op):
        kind, _, name = SUBJECTS[op].partition("/")
        key = (op.value, f"{kind}/{side}-{name}")
        return [event for event in self.events if (event.get("action"), event.get("address")) == key]

    def reports(self):
        return list((self.folder / ".git/mlgit/bug-reports").iterdir())


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    scenario = Scenario(tmp_path_factory.mktemp("raising") / "small")
    folder = scenario.folder
    folder.mkdir()
    git(folder, "init", "--quiet")
    kept = {name: SMALL[name] for name in (".gitignore", "workspace.yml", "environments/plain.yml")}
    write(folder, kept | {"mlgit.yml": MLGIT_YML})
    for side in SIDES:
        before(folder, side)
    commit(folder)
    scenario.apply()
    for side in SIDES:
        data(folder, f"{side}-adopted", f"{side} adopted 2", version="2")
    commit(folder)
    scenario.apply()
    (folder.parent / "go").touch()
    until(lambda: len(list(folder.glob(".mlgit/store/runs/*-recorded-*/result.json"))) == 2)
    for stored in folder.glob(".mlgit/store/files/md5/*/*"):
        if stored.read_text().strip() in ("good lost 1", "bad lost 1"):
            stored.unlink()
    for side in SIDES:
        change(folder, side)
    moved = "".join(f"  - {{from: data/{side}-former, to: data/{side}-renamed}}\n" for side in SIDES)
    with (folder / "mlgit.yml").open("a") as file:
        file.write(f"moved:\n{moved}")
    commit(folder)
    result = scenario.mlgit("apply", "--auto-approve", "--format", "json", script=(str(RAISING),))
    scenario.exit_code, scenario.error_output = result.returncode, result.stderr
    scenario.events = [json.loads(line) for line in result.stdout.splitlines()]
    yield scenario
    for side in SIDES:
        scenario.mlgit("job", "cancel", f"{side}-canceled")


def test_the_apply_goes_on_and_exits_with_3_at_its_end(scenario):
    assert scenario.exit_code == 3
    assert scenario.error_output == ""
    assert [event["type"] for event in scenario.events[-2:]] == ["apply-ended", "ended"]


@pytest.mark.parametrize("op", Op)
def test_an_exception_in_an_action_fails_that_action_and_no_other_of_its_kind(op, scenario):
    *_, good = scenario.events_of("good", op)
    *_, bad = scenario.events_of("bad", op)
    assert (good["type"], bad["type"]) == ("action-done", "action-failed")
    (diagnostic,) = bad["diagnostics"]
    assert diagnostic["code"] == "internal-error"
    assert any(str(report) in diagnostic["hint"] for report in scenario.reports())


def test_what_depends_on_the_failed_action_is_skipped_and_the_rest_is_done(scenario):
    last = {(event["action"], event["address"]): event["type"] for event in scenario.events if "address" in event}
    assert last["submit", "job/bad-dependent"] == "action-skipped"
    assert last["submit", "job/good-dependent"] == "action-done"
    failed = {address for (_, address), event in last.items() if event in ("action-failed", "action-skipped")}
    assert all(address.partition("/")[2].startswith("bad-") for address in failed)


def test_a_bug_report_is_private_and_holds_no_secret(scenario):
    reports = scenario.reports()
    assert len(reports) >= len(Op)
    for report in reports:
        assert report.stat().st_mode & 0o777 == 0o600
        assert SECRET not in report.read_text()
        assert f"{RAISING}:" in report.read_text()
    assert reports[0].parent.stat().st_mode & 0o777 == 0o700
    assert not any(SECRET in json.dumps(event) for event in scenario.events if event["type"] == "action-failed")


def test_the_next_apply_does_what_failed(scenario):
    scenario.apply("--wait")
    assert scenario.mlgit("plan").stdout.startswith("No changes. ")

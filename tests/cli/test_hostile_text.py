"""Whatever text a stranger controls, no line of any command's output starts with it or is changed by it.

Every string that files, paths, Git, the environment and arguments contribute carries a line break, a command for a CI
system, an escape sequence and a bidirectional character. `job logs` is not among the commands: it copies the log.
"""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections.abc import Iterator

import pytest
from workspaces import APPLY, SMALL, commit, edit, git, write

pytestmark = pytest.mark.slow

HOSTILE = "x\n::error::x\r\x1b[31m\u202e\u200b\u2028##[error]##vso[x]"
QUOTED = json.dumps(HOSTILE)  # as YAML reads it
FILE_NAME = HOSTILE.replace("/", "")
UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
GITHUB_COMMANDS = ("::error ", "::warning ", "::notice ")

VALIDATIONS = [
    *(("validate", *paths, "--format", form) for form in ("text", "json", "github", "sarif") for paths in ((), (".",))),
    ("fmt", "--check"),
    ("fmt", "--diff"),
    ("fmt", "--check", "--format", "json"),
    ("list", "--declared"),
    ("list", "--declared", "--format", "json"),
]
PLANS = [
    *(("plan", "--format", form) for form in ("text", "json", "github", "markdown")),
    ("plan", "--refresh"),
    ("plan", "--detailed-exitcode", "--select", "job/sum"),
]
READS = [
    *(
        (*command, *form)
        for command in (
            ("status",),
            ("list",),
            ("list", "--archived"),
            ("show", "job/sum"),
            ("show", "data/numbers"),
            ("show", "model/total"),
            ("job", "list"),
            ("job", "show", "sum"),
            ("job", "metrics", "sum"),
            ("log",),
            ("log", "job/sum"),
            ("diff", "~1"),
            ("drift",),
            ("drift", "--deep"),
            ("state", "show"),
            ("unlock",),
            ("import", "--all", "--dry-run"),
        )
        for form in ((), ("--format", "json"))
    ),
    ("status", "--watch", "--until-idle"),
    ("job", "wait", "sum"),
    ("state", "repair"),
]
ARGUMENTS = [
    (HOSTILE,),
    ("-C", HOSTILE, "plan"),
    ("validate", HOSTILE),
    ("fmt", HOSTILE),
    ("init", "."),
    ("init", "new", "--name", HOSTILE),
    ("plan", "--ref", HOSTILE),
    ("plan", "--select", HOSTILE),
    ("plan", "--replace", HOSTILE),
    ("plan", "--target", HOSTILE),
    ("plan", "--format", HOSTILE),
    ("plan", "--" + HOSTILE),
    ("apply", HOSTILE),
    ("list", HOSTILE),
    ("show", HOSTILE),
    ("show", f"job/{HOSTILE}"),
    ("show", f"job/sum@{HOSTILE}"),
    ("job", HOSTILE),
    ("job", "show", HOSTILE),
    ("job", "rerun", HOSTILE),
    ("log", HOSTILE),
    ("log", f"job/{HOSTILE}"),
    ("diff", HOSTILE),
    ("rollback", HOSTILE),
    ("archive", HOSTILE),
    ("restore", f"job/sum@{HOSTILE}"),
    ("import", HOSTILE),
    ("unlock", HOSTILE),
    ("state", "restore", HOSTILE),
    ("status", "--watch", "--interval", HOSTILE),
    ("schema", HOSTILE),
    ("explain", HOSTILE),
]


def faults(text: str) -> Iterator[str]:
    """Yield the lines that a stranger started, and those that are not printed as they are."""
    for line in text.split("\n"):
        start = line.lstrip()
        if start.startswith("::") and not (start.startswith(GITHUB_COMMANDS) and "::error::x" not in start[:9]):
            yield f"starts with a command: {line!r}"
        if start.startswith("\\u003a"):
            yield f"is disarmed at the start only because a line break was printed: {line!r}"
        if "##[" in line or "##vso[" in line:
            yield f"has a command: {line!r}"
        if UNSAFE & {unicodedata.category(character) for character in line.replace("\t", "")}:
            yield f"has an unsafe character: {line!r}"


def check(ended, *arguments):
    """Check the output of a command, and that it was no bug of mlgit."""
    assert ended.code in {0, 1, 2}, f"{arguments} {ended.err[-3000:]}"
    assert [*faults(ended.out), *faults(ended.err)] == [], arguments
    if "json" in arguments and ended.out:
        for document in ended.out.splitlines() if ended.out.startswith('{"v"') else [ended.out]:
            json.loads(document)


@pytest.fixture
def hostile(small, monkeypatch):
    """Make a workspace that can be applied, with the text wherever mlgit accepts one."""
    monkeypatch.setenv("USER", HOSTILE)
    monkeypatch.setenv("GIT_AUTHOR_NAME", HOSTILE)
    monkeypatch.setenv("GIT_COMMITTER_NAME", HOSTILE)
    described = f"description: {QUOTED}\ntags: {{{QUOTED}: {QUOTED}}}\n"
    for name in ("workspace.yml", "data/numbers.yml", "environments/plain.yml", "models/total.yml", "jobs/sum.yml"):
        with (small / name).open("a", encoding="utf-8") as file:
            file.write(described if name != "workspace.yml" else f"description: {QUOTED}\ndisplay_name: {QUOTED}\n")
    edit(small, "jobs/sum.yml", "factor: 2", f"factor: 2\n  text: {QUOTED}")
    write(small, {f"src/{FILE_NAME}.txt": "x", f"jobs/{FILE_NAME}.yml": SMALL["jobs/sum.yml"].replace(": sum", ": b")})
    with (small / f"jobs/{FILE_NAME}.yml").open("a", encoding="utf-8") as file:
        file.write(f"experiment_name: {QUOTED}\n")
    git(small, "checkout", "--quiet", "-b", "x\u202e\u200b")
    commit(small, HOSTILE)
    return small


def test_no_output_of_a_workspace_that_can_be_applied_is_started_by_a_stranger(hostile, mlgit):
    for arguments in (*VALIDATIONS, *PLANS, APPLY):
        check(mlgit(*arguments, cwd=hostile), *arguments)
    edit(hostile, "data/numbers.yml", "description: ", 'description: "y" #')
    edit(hostile, "jobs/sum.yml", "\n  text: ", '\n  text: "y" #')
    for arguments in PLANS:
        check(mlgit(*arguments, cwd=hostile), *arguments)
    for arguments in (("plan", "-o", f"{FILE_NAME}.json"), ("show", f"{FILE_NAME}.json")):
        check(mlgit(*arguments, cwd=hostile), *arguments)
    check(mlgit("apply", "--auto-approve", "--allow-dirty", "--format", "json", cwd=hostile), "apply", "json")
    assert "sum" in mlgit("list", cwd=hostile).out
    git(hostile, "rm", "--quiet", "--force", "models/total.yml", "data/numbers.yml")
    for arguments in READS:
        check(mlgit(*arguments, cwd=hostile), *arguments)
    for arguments in (("archive", "model/total"), ("restore", "model/total"), ("job", "rerun", "sum")):
        check(mlgit(*arguments, "--auto-approve", cwd=hostile), *arguments)
    check(mlgit("rollback", "~1", "--auto-approve", cwd=hostile), "rollback")
    check(mlgit("reconcile", "--once", cwd=hostile), "reconcile")
    check(mlgit("reconcile", "--once", "--format", "json", cwd=hostile), "reconcile", "json")


def test_no_output_of_broken_files_is_started_by_a_stranger(hostile, mlgit):
    jobs = {
        "unknown": f"{QUOTED}: 1",
        "enum": f"type: {QUOTED}",
        "number": f"limits: {{timeout: {QUOTED}}}",
        "reference": f"environment: {QUOTED}",
        "latest": f"environment: {json.dumps('azureml:' + HOSTILE + '@latest')}",
        "path": f"code: {QUOTED}",
        "expression": f"command: {json.dumps('${{inputs.' + HOSTILE + '}}')}",
        "named": f"name: {QUOTED}",
        "versioned": f"version: {QUOTED}",
        "schema": f"$schema: {json.dumps('https://azuremlschemas.azureedge.net/latest/' + HOSTILE + '.schema.json')}",
        "cut": f"inputs: {{a: {QUOTED}, [",
        "twice": f"inputs: {{{QUOTED}: 1, {QUOTED}: 2}}",
        "raw": f"description: a\x1b[31m {HOSTILE}",
        "secret": f"environment_variables: {{PASSWORD: {QUOTED}}}",
    }
    base = SMALL["jobs/sum.yml"].replace("name: sum", "display_name: z")
    for name, line in jobs.items():
        write(hostile, {f"jobs/{FILE_NAME}{name}.yml": base})
        with (hostile / f"jobs/{FILE_NAME}{name}.yml").open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    (hostile / os.fsencode(f"data/{FILE_NAME}").decode("utf-8")).symlink_to(HOSTILE)
    write(hostile, {"data/other.yml": SMALL["data/numbers.yml"].replace("path: numbers.csv", f"path: {QUOTED}")})
    for arguments in (*VALIDATIONS, *PLANS, APPLY, (*APPLY, "--format", "json"), ("reconcile", "--once")):
        check(mlgit(*arguments, cwd=hostile), *arguments)
    assert mlgit("validate", cwd=hostile).code == 1


def test_no_output_about_a_broken_configuration_is_started_by_a_stranger(hostile, mlgit):
    original = (hostile / "mlgit.yml").read_text("utf-8")
    settings = [
        f"{QUOTED}: 1",
        f"requires: {QUOTED}",
        f"builders: {{x: {{type: {QUOTED}}}}}",
        f"rules: {{{QUOTED}: off}}",
        f"moved: {{{QUOTED}: {QUOTED}}}",
        f"protect: [{QUOTED}]",
        f"assets: {{exclude: [{QUOTED}]}}",
        f"drift: {{{QUOTED}: repair}}",
        f"targets: {{{QUOTED}: {{}}}}",
        f"limits: {{submit: {QUOTED}}}",
    ]
    for line in settings:
        (hostile / "mlgit.yml").write_text(f"{original}\n{line}\n", "utf-8")
        for arguments in (("validate",), ("validate", "--format", "github"), ("plan",), ("plan", "--format", "json")):
            check(mlgit(*arguments, cwd=hostile), line, *arguments)
    replaced = {
        "store: {path: .mlgit/store}": f"store: {{path: {QUOTED}}}",
        "backends: {local: {type: local}}": f"backends: {{{QUOTED}: {{type: {QUOTED}}}}}",
        'compute: {"*": local}': f"compute: {{{QUOTED}: {QUOTED}}}",
        "state: {name: small,": f"state: {{name: small, remote: {QUOTED},",
    }
    for old, new in replaced.items():
        (hostile / "mlgit.yml").write_text(original.replace(old, new), "utf-8")
        for arguments in (("validate",), ("validate", "--format", "github"), ("plan",), ("status",), APPLY[:2]):
            check(mlgit(*arguments, cwd=hostile), new, *arguments)


def test_no_output_about_an_argument_is_started_by_a_stranger(hostile, mlgit):
    assert mlgit(*APPLY, cwd=hostile).code == 0
    for arguments in ARGUMENTS:
        check(mlgit(*arguments, cwd=hostile), *arguments)


def test_no_output_of_a_failed_job_or_build_is_started_by_a_stranger(hostile, mlgit):
    write(hostile, {"src/sum.py": f"import sys\nprint({HOSTILE!r})\nsys.exit(3)\n"})
    edit(hostile, "environments/plain.yml", "image: python", f"image: {QUOTED}")
    commit(hostile)
    check(mlgit(*APPLY, cwd=hostile), *APPLY)
    for arguments in (*PLANS, *READS):
        check(mlgit(*arguments, cwd=hostile), *arguments)
    edit(hostile, "environments/plain.yml", "python>=3.11", f'{QUOTED[1:-1]}", "python')
    commit(hostile)
    for arguments in (("validate",), ("plan",), APPLY):
        check(mlgit(*arguments, cwd=hostile), *arguments)


def test_a_folder_with_such_a_name_starts_no_line(hostile, mlgit, tmp_path):
    elsewhere = shutil.move(hostile, tmp_path / FILE_NAME)
    for arguments in (("validate",), ("plan",), ("plan", "--format", "github"), ("init", "--here"), APPLY):
        check(mlgit(*arguments, cwd=elsewhere), *arguments)
    shutil.rmtree(elsewhere / ".git")
    for arguments in (("validate",), ("plan",), ("init", "--here"), ("init", str(elsewhere / "new"))):
        check(mlgit(*arguments, cwd=elsewhere), *arguments)
    (elsewhere / "mlgit.yml").unlink()
    git(elsewhere, "init", "--quiet")
    for arguments in (("plan",), ("init", "--here"), ("validate",)):
        check(mlgit(*arguments, cwd=elsewhere), *arguments)

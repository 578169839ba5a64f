"""The value of a variable whose name says that it is secret is shown nowhere, and the log of a run is not recorded."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit, git, put, write

from reconciler.model import Address
from reconciler.secrets.fields import is_secret_name
from reconciler.secrets.redact import SECRET_PLACEHOLDER, hide_secrets, mask_secrets, secret_values
from reconciler.secrets.source_lines import find_line_secrets, mask_source_line
from reconciler.state import paths

SECRETS = {
    "DB_PASSWORD": "hunter-2",
    "HF_TOKEN": "hf9x7q",
    "OPENAI_API_KEY": "k3y!",
    "STORE_CONNECTION_STRING": "c=1;d",
}
LOGGED = "what-the-job-wrote"
LIVE = "refs/mlgit/small/default/live"
READS = [
    ("status",),
    ("list",),
    ("show", "job/sum"),
    ("job", "list"),
    ("job", "show", "sum"),
    ("log",),
    ("diff", "~1"),
    ("drift",),
    ("import", "--all", "--dry-run"),
    ("plan",),
    ("plan", "--refresh"),
]


@pytest.mark.fast
@pytest.mark.parametrize(
    "name",
    [
        *("PASSWORD", "DB_PASSWORD", "dbPassword", "PASSWORD2", "DB_PWD", "PASSPHRASE", "TOKEN", "GITHUB_PAT", "AUTH"),
        *("API_KEY", "APIKEY", "openai-api-key", "CONNECTION_STRING", "connectionString", "AWS_SECRET_ACCESS_KEY"),
        *("AZURE_CLIENT_SECRET", "clientSecret", "SAS", "SESSION_COOKIE", "SENTRY_DSN", "GOOGLE_CREDENTIALS"),
    ],
)
def test_a_name_of_a_secret_is_recognised_in_every_usual_spelling(name):
    assert is_secret_name(name)


@pytest.mark.fast
@pytest.mark.parametrize(
    "name",
    [*("MAX_TOKENS", "TOKENIZERS_PARALLELISM", "PWD", "KEYBOARD", "PATH", "AUTHOR", "MONKEY", "EPOCHS", "PASSES")],
)
def test_a_name_that_only_resembles_one_is_no_secret(name):
    assert not is_secret_name(name)


@pytest.mark.fast
def test_a_secret_is_hidden_wherever_it_stands_in_a_spec():
    spec = {
        "environment_variables": {"DB_PASSWORD": "hunter-2", "A_TOKEN": 12345, "USER": "ada", "B_TOKEN": "${{x.y}}"},
        "command": "login -phunter-2 --user ada --pin 12345 ${{x.y}}",
        "tags": {"note": "the password is hunter-2"},
        "jobs": {"a": {"environment_variables": {"S_SECRET": "best"}, "command": "best bestow"}},
        "inputs": {"data": {"path": "https://ada:pass@host/x?sig=ab"}},
    }
    shown = hide_secrets(spec)
    assert shown["command"] == f"login -p{SECRET_PLACEHOLDER} --user ada --pin {SECRET_PLACEHOLDER} ${{{{x.y}}}}"
    assert shown["tags"] == {"note": f"the password is {SECRET_PLACEHOLDER}"}
    assert shown["jobs"]["a"]["command"] == f"{SECRET_PLACEHOLDER} bestow"
    assert shown["inputs"]["data"]["path"] == "https://ada:***@host/x?sig=***"
    assert mask_secrets("x hunter-2 y", secret_values(spec)) == f"x {SECRET_PLACEHOLDER} y"


@pytest.mark.fast
def test_a_line_of_a_file_is_shown_without_secrets_and_with_its_columns():
    lines = ["environment_variables: {DB_PASSWORD: hunter-2, USER: ada}", "command: login -phunter-2 # x"]
    secrets = find_line_secrets(lines)
    assert [mask_source_line(line, secrets) for line in lines] == [
        "environment_variables: {DB_PASSWORD: ********, USER: ada}",
        "command: login -p******** # x",
    ]


@pytest.fixture
def secretive(small):
    """Make a workspace whose job has secrets among its variables, uses them elsewhere, writes them and fails."""
    variables = json.dumps(SECRETS)
    values = " ".join(SECRETS.values())
    edit(small, "jobs/sum.yml", "command: ", f"environment_variables: {variables}\ndescription: '{values}'\ncommand: ")
    write(
        small, {"src/sum.py": f"import os\nprint({LOGGED!r}, *os.environ.values(), sep='\\n')\nraise SystemExit(3)\n"}
    )
    commit(small)
    return small


def without_secrets(ended):
    printed = ended.out + ended.err
    return ended.code in {0, 1, 2} and not [value for value in SECRETS.values() if value in printed]


@pytest.mark.slow
def test_no_command_shows_the_value_of_a_secret_in_any_format(secretive, mlgit):
    for command in (
        ("plan",),
        ("plan", "--format", "json"),
        ("plan", "--format", "github"),
        (*APPLY, "--format", "json"),
    ):
        assert without_secrets(mlgit(*command, cwd=secretive)), command
    edit(secretive, "jobs/sum.yml", "hunter-2 ", "hunter-2 and ")
    edit(secretive, "jobs/sum.yml", "command: python sum.py", "command: python sum.py hunter-2 hf9x7q k3y!")
    commit(secretive)
    for form in ("text", "json", "markdown", "github"):
        assert without_secrets(mlgit("plan", "--format", form, cwd=secretive)), form
    assert without_secrets(mlgit(*APPLY, cwd=secretive))
    for command in READS:
        for form in ((), ("--format", "json")):
            assert without_secrets(mlgit(*command, *form, cwd=secretive)), command


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("factor: 2", "factor: 2\n  wrong: {typ: hunter-2}"),
        ("environment: azureml:plain@latest", "environment: 'azureml:hunter-2@latest'"),
        ("python sum.py", "python ${{inputs.hunter-2}} hf9x7q"),
        ("type: uri_folder}", "type: hunter-2}\n  - a"),
    ],
)
def test_no_error_about_a_file_shows_the_value_of_a_secret_in_it(secretive, mlgit, old, new):
    edit(secretive, "jobs/sum.yml", old, new)
    for command in (("plan",), *(("validate", "--format", form) for form in ("text", "json", "github", "sarif"))):
        ended = mlgit(*command, cwd=secretive)
        assert "jobs/sum.yml" in ended.out + ended.err
        assert without_secrets(ended), ended.out + ended.err


@pytest.mark.slow
def test_the_log_of_a_failed_run_is_not_recorded_and_its_end_is_shown_masked_where_it_is(secretive, mlgit):
    applied = mlgit(*APPLY, cwd=secretive)
    assert applied.code == 1
    assert "the command ended with exit code 3; the last lines of its log:" in applied.out
    commits = git(secretive, "rev-list", "--all").split()
    recorded = [
        git(secretive, "grep", "-h", "-e", "", commit)
        for commit in commits
        if commit != git(secretive, "rev-parse", "HEAD")
    ]
    assert recorded
    assert not [text for text in recorded if LOGGED in text and "print(" not in text]
    run = json.loads(mlgit("job", "list", "--format", "json", cwd=secretive).out)[0]
    assert (run["failure"], run["exit_code"], run["message"]) == ("user", 3, "the command ended with exit code 3")
    shown = json.loads(mlgit("job", "show", "sum", "--format", "json", cwd=secretive).out)
    assert shown["log_tail"].count("\n") <= 5
    assert LOGGED in mlgit("job", "logs", "sum", cwd=secretive).out


@pytest.mark.slow
def test_the_end_of_a_log_in_a_record_of_an_older_mlgit_is_not_shown(secretive, mlgit):
    assert mlgit(*APPLY, cwd=secretive).code == 1
    run = json.loads(mlgit("job", "list", "--format", "json", cwd=secretive).out)[0]["run"]
    path = paths.history_record_path(Address("job", "sum"), run)
    record = json.loads(git(secretive, "show", f"{LIVE}:{path}"))
    put(secretive, path, record | {"message": f"the command ended with exit code 3; its last lines:\nold {LOGGED}"})
    for command in (("job", "list"), ("status",), ("plan",), ("job", "list", "--format", "json")):
        printed = mlgit(*command, cwd=secretive).out
        assert f"old {LOGGED}" not in printed
    assert "the command ended with exit code 3" in mlgit("job", "list", cwd=secretive).out


@pytest.mark.slow
def test_a_machine_without_the_store_says_which_one_has_the_log(secretive, mlgit, monkeypatch):
    edit(secretive, "mlgit.yml", "store: {path: .mlgit/store}", "store: {path: .mlgit/store, host: here}")
    edit(secretive, "mlgit.yml", "{type: local}", "{type: local, host: here}")
    commit(secretive)
    monkeypatch.setenv("MLGIT_HOST", "here")
    assert mlgit(*APPLY, cwd=secretive).code == 1
    monkeypatch.setenv("MLGIT_HOST", "there")
    shown = mlgit("job", "show", "sum", cwd=secretive)
    assert "log: on here, which has the backend local" in shown.out, shown.err
    assert LOGGED not in shown.out
    assert "run this command on here" in mlgit("job", "logs", "sum", cwd=secretive).err

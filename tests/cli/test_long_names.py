"""A message repeats of a long name only its beginning and its end, whoever wrote it and whatever the format."""

from __future__ import annotations

import pytest
from workspaces import SMALL, write

from reconciler.abbreviation import abbreviate_text
from reconciler.secrets.urls import mask_url_secrets

NAME = "n" * 5000
MAX_LINE = 1000
COMMANDS = [
    *(("show", f"data/{NAME}"), ("job", "show", NAME), ("plan", "--select", NAME), (NAME,), (f"--{NAME}",)),
    *(("validate", f"{NAME}.yml"), ("plan", "--ref", NAME), ("plan", "--target", NAME), ("unlock", NAME)),
    *(("schema", NAME), ("explain", NAME), ("diff", NAME), ("rollback", NAME, "--auto-approve"), ("list", NAME)),
    *(("state", "rm", f"data/{NAME}"), ("archive", f"data/{NAME}"), ("import", f"data/{NAME}"), ("apply", NAME)),
    *(("plan", "-o", NAME), ("init", NAME), ("-C", NAME, "status"), ("status", "--interval", NAME)),
    ("plan", "--format", "json", "--replace", f"data/{NAME}"),
]


def longest_line(ended) -> int:
    return max(map(len, (ended.out + ended.err).split("\n")))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command).replace(NAME, "NAME"))
def test_an_argument_that_is_too_long_is_not_repeated(small, mlgit, command):
    ended = mlgit(*command, cwd=small)
    assert ended.code == 1
    assert "nnn" in ended.out + ended.err
    assert longest_line(ended) < MAX_LINE


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("azureml:plain@latest", f"azureml:{NAME}@latest"),
        ("compute: local", f"compute: local\n{NAME[:900]}: 1"),  # YAML takes no longer key
        ("code: ../src", f"code: ../{NAME}"),
        ("${{inputs.factor}}", f"${{{{inputs.{NAME}}}}}"),
        ("type: uri_folder", f"type: {NAME}"),
    ],
    ids=["reference", "field", "path", "expression", "value"],
)
def test_a_name_in_a_file_that_is_too_long_is_not_repeated(small, mlgit, old, new, form):
    write(small, {"jobs/sum.yml": SMALL["jobs/sum.yml"]})
    path = small / "jobs/sum.yml"
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    ended = mlgit("validate", "--format", form, cwd=small)
    assert "nnn" in ended.out
    assert NAME[:350] not in ended.out
    assert longest_line(ended) < 2 * MAX_LINE


def test_what_is_cut_has_its_secrets_masked_before():
    url = f"https://host/{'p' * 100}?sig={'s' * 5000}&x={'y' * 500}"
    shown = abbreviate_text(mask_url_secrets(f"cannot read {url}, see {url}"))
    assert "sss" not in shown
    assert "cannot read https://host/p" in shown
    assert len(shown) < MAX_LINE


@pytest.mark.parametrize("length", [0, 1, 299, 300, 301, 1000])
def test_short_text_stays_as_it_is(length):
    text = "word " * length
    assert (abbreviate_text(text) == text) == (len(text) <= 3000)
    assert (abbreviate_text("w" * length) == "w" * length) == (length <= 300)

"""Where the files of a run are when its command starts, and what is an error before that."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import git
import pytest

REGULAR, EXECUTABLE, SYMLINK = 0o100644, 0o100755, 0o120000


def test_code_is_a_writable_copy_with_modes_and_links(bench: Any) -> None:
    bench.spec["code"] = [
        bench.row("link", "src/tool.sh", SYMLINK),
        bench.row("src/tool.sh", "#!/bin/sh\necho tool ran\n", EXECUTABLE),
        bench.row("plain.txt", "x"),
    ]
    result = bench.run(command="./link && echo more >> plain.txt && ! test -x plain.txt")
    assert result["status"] == "completed", bench.log()
    assert bench.log() == "tool ran\n"
    assert (bench.folder / "code/plain.txt").read_text() == "xmore\n"


@pytest.mark.parametrize("path", ["/etc/mlgit-test", "../escaped", "a/../../escaped", "", "a/\0b"])
def test_a_path_that_leaves_its_folder_is_an_error(bench: Any, path: str) -> None:
    bench.spec["code"] = [bench.row(path, "x")]
    result = bench.run()
    assert (result["status"], result["failure"]["class"]) == ("failed", "staging")
    assert not (bench.folder / "escaped").exists()


@pytest.mark.parametrize(
    "links",
    [
        [("out", "/etc")],
        [("out", "../..")],
        [("a/deep", ".."), ("out", "a/deep/..")],
        [("d", "l/.."), ("l", ".")],
    ],
)
def test_a_symlink_that_leaves_the_folder_is_an_error(bench: Any, links: list[tuple[str, str]]) -> None:
    bench.spec["code"] = [bench.row(path, target, SYMLINK) for path, target in links]
    result = bench.run()
    assert result["failure"]["class"] == "staging"
    assert "is a symlink to" in result["failure"]["message"]


def test_nothing_is_written_through_a_symlink(bench: Any, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    bench.spec["code"] = [bench.row("d", str(victim), SYMLINK), bench.row("d/x", "target", SYMLINK)]
    result = bench.run()
    assert result["failure"]["class"] == "staging"
    assert list(victim.iterdir()) == []


def test_a_missing_object_is_reported_with_the_path_of_its_file(bench: Any) -> None:
    bench.spec["code"] = [["train.py", "/nowhere/at/all", REGULAR]]
    result = bench.run()
    assert result["failure"]["class"] == "staging"
    assert "train.py" in result["failure"]["message"]
    assert "No such file" in result["failure"]["message"]


def test_a_mounted_input_is_a_read_only_copy_and_a_downloaded_input_a_writable_copy(bench: Any) -> None:
    row = bench.row("iris.csv", "a,b\n")
    bench.spec["inputs"] = {
        "mounted": bench.files("uri_file", "ro_mount", row),
        "loaded": bench.files("uri_folder", "download", row, bench.row("deep/er.txt", "deep")),
    }
    result = bench.run(
        command="cat ${{inputs.mounted}} ${{inputs.loaded}}/deep/er.txt; echo x >> ${{inputs.loaded}}/iris.csv"
    )
    assert result["status"] == "completed", bench.log()
    assert bench.log() == "a,b\ndeep"
    mounted = bench.folder / "inputs/mounted/iris.csv"
    assert (mounted.is_symlink(), mounted.stat().st_mode & 0o777) == (False, 0o400)
    assert (bench.folder / "inputs/loaded/iris.csv").read_text() == "a,b\nx\n"
    assert Path(row[1]).read_text() == "a,b\n"


def test_a_job_that_overwrites_a_mounted_input_does_not_change_the_store(bench: Any) -> None:
    row = bench.row("iris.csv", "a,b\n")
    bench.spec["inputs"] = {"mounted": bench.files("uri_file", "ro_mount", row)}
    result = bench.run(command="chmod u+w ${{inputs.mounted}} && echo changed > ${{inputs.mounted}}")
    assert result["status"] == "completed", bench.log()
    assert Path(row[1]).read_text() == "a,b\n"


def test_the_value_of_a_single_file_is_its_path_whatever_its_type(bench: Any) -> None:
    model = bench.files("custom_model", "ro_mount", bench.row("model.pkl", "weights"))
    bench.spec["inputs"] = {"model": {**model, "single": True}}
    bench.run(command="cat ${{inputs.model}}")
    assert bench.log() == "weights"


def test_a_file_input_of_two_files_is_an_error(bench: Any) -> None:
    bench.spec["inputs"] = {"x": bench.files("uri_file", "ro_mount", bench.row("a", ""), bench.row("b", ""))}
    assert "its data has 2 files" in bench.run()["failure"]["message"]


def test_a_uri_is_passed_unchanged(bench: Any) -> None:
    bench.spec["inputs"] = {"remote": {"kind": "uri", "value": "https://example.com/x?a=1&b=$HOME"}}
    bench.run(command="echo ${{inputs.remote}}")
    assert bench.log() == "https://example.com/x?a=1&b=$HOME\n"


def test_the_value_of_a_file_output_is_a_path_and_that_of_a_folder_output_a_folder(bench: Any) -> None:
    bench.spec["outputs"] = {
        "scores": {"type": "uri_file"},
        "model": {"type": "mlflow_model"},
        "none": {"type": "uri_file"},
    }
    command = (
        "printf 12345 > ${{outputs.scores}}; cd ${{outputs.model}} && "
        "echo a > a && mkdir b && echo b > b/b && ln -s /etc e"
    )
    result = bench.run(command=command)
    assert result["status"] == "completed", bench.log()
    assert result["outputs"] == {
        "scores": {"files": 1, "size": 5},
        "model": {"files": 2, "size": 4},
        "none": {"files": 0, "size": 0},
    }


def test_paths_with_blanks_and_quotes_reach_the_command_unchanged(bench: Any) -> None:
    name = 'it\'s a "file" $(touch pwned).csv'
    bench.spec["inputs"] = {"x": bench.files("uri_file", "ro_mount", bench.row(name, "content\n"))}
    bench.run(command="""cat ${{inputs.x}} "${{inputs.x}}" '${{inputs.x}}'""")
    assert bench.log() == "content\n" * 3
    assert {path.name for path in (bench.folder / "code").iterdir()} == {"logs", "outputs"}


def test_the_command_gets_the_allowed_variables_of_the_runner_only(bench: Any) -> None:
    bench.variables |= {"AWS_SECRET_ACCESS_KEY": "s3cr3t", "LC_ALL": "C.UTF-8", "TZ": "Europe/Berlin"}
    bench.spec["environment"]["variables"] = {"VIRTUAL_ENV": "/prefix", "WHO": "environment"}
    bench.spec["variables"] = {
        "MY_FLAG": "1",
        "WHO": "job",
        "AZUREML_RUN_ID": "spoofed",
        "MLFLOW_TRACKING_PASSWORD": "x",
    }
    bench.script("import json, os; print(json.dumps(dict(os.environ)))")
    bench.run()
    variables = json.loads(bench.log())
    assert "s3cr3t" not in bench.log()
    assert "MLFLOW_TRACKING_PASSWORD" not in variables
    expected = {"LC_ALL": "C.UTF-8", "TZ": "Europe/Berlin", "VIRTUAL_ENV": "/prefix", "WHO": "job", "MY_FLAG": "1"}
    expected |= {"AZUREML_RUN_ID": "train-1a2b3c4d", "MLFLOW_RUN_ID": "train-1a2b3c4d", "PYTHONUNBUFFERED": "1"}
    assert expected.items() <= variables.items()
    assert variables["PATH"].startswith(f"{bench.folder}/environment/0/bin:/usr/local/")


def test_bytes_that_changed_after_they_were_checked_are_an_error_that_names_the_file(bench: Any) -> None:
    path, stored, mode = bench.row("train.py", "print(1)")
    status = Path(stored).stat()
    stamp = [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    right, wrong = (hashlib.md5(text, usedforsecurity=False).hexdigest() for text in (b"print(1)", b"print(2)"))
    cases = {(right, None): True, (wrong, None): False, (wrong, "stamp"): True}
    for number, ((md5, known), is_taken) in enumerate(cases.items()):
        run_bench = type(bench)(bench.root / str(number))
        run_bench.spec["code"] = [[path, stored, mode, md5, stamp if known else []]]
        result = run_bench.run()
        assert (result["status"] == "completed") is is_taken
        if not is_taken:
            assert result["failure"]["class"] == "staging"
            assert f"train.py is not what was stored: its object {stored}" in result["failure"]["message"]


def test_the_target_of_a_link_is_checked_too(bench: Any) -> None:
    bench.spec["code"] = [[*bench.row("link", "elsewhere", SYMLINK), "0" * 32, []]]
    assert "link is not what was stored" in bench.run()["failure"]["message"]


def test_no_program_or_library_finds_a_repository_around_the_code(bench: Any) -> None:
    git.Repo.init(bench.root).close()
    assert (
        bench.run(command="! git rev-parse --git-dir && git init --quiet own && cd own && git rev-parse --git-dir")[
            "status"
        ]
        == "completed"
    ), bench.log()
    with pytest.raises(git.InvalidGitRepositoryError):
        git.Repo(bench.folder / "code", search_parent_directories=True)


@pytest.mark.parametrize(
    ("command", "declared", "files"),
    [
        ("true", "uri_folder", ["outputs/world.txt"]),
        ("true", "mlflow_model", ["outputs/world.txt"]),
        ("true", "uri_file", []),
        ("touch ${{ outputs.artifacts }}/own", "uri_folder", ["own"]),
        ("true ${{outputs.artifacts}}", "uri_folder", []),
        ('touch "$AZURE_ML_OUTPUT_artifacts/own"', "uri_folder", ["own"]),
    ],
)
def test_a_declared_output_artifacts_is_the_default_artifacts_unless_the_command_writes_it(
    bench: Any, command: str, declared: str, files: list[str]
) -> None:
    result = bench.run(
        command=f"echo world > outputs/world.txt && {command}", outputs={"artifacts": {"type": declared}}
    )
    assert (result["status"], result["outputs"]["artifacts"]["files"]) == ("completed", len(files)), bench.log()
    folder = bench.folder / "outputs/artifacts"
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()] == files

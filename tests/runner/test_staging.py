"""What lies where when the command starts, and what is refused before it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

REGULAR, EXECUTABLE, SYMLINK = 0o100644, 0o100755, 0o120000


def test_code_is_a_writable_copy_with_its_modes_and_links(bench: Any) -> None:
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
def test_a_path_that_leaves_its_folder_is_refused(bench: Any, path: str) -> None:
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
def test_a_symlink_that_leads_out_is_refused(bench: Any, links: list[tuple[str, str]]) -> None:
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


def test_a_missing_object_is_named(bench: Any) -> None:
    bench.spec["code"] = [["train.py", "/nowhere/at/all", REGULAR]]
    result = bench.run()
    assert result["failure"]["class"] == "staging"
    assert "train.py" in result["failure"]["message"]
    assert "No such file" in result["failure"]["message"]


def test_a_mounted_input_is_a_read_only_copy_and_a_downloaded_one_a_writable_one(bench: Any) -> None:
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
    assert (mounted.is_symlink(), mounted.stat().st_mode & 0o777) == (False, 0o444)
    assert (bench.folder / "inputs/loaded/iris.csv").read_text() == "a,b\nx\n"
    assert Path(row[1]).read_text() == "a,b\n"


def test_a_job_that_writes_to_a_mounted_input_all_the_same_spoils_its_own_copy_alone(bench: Any) -> None:
    row = bench.row("iris.csv", "a,b\n")
    bench.spec["inputs"] = {"mounted": bench.files("uri_file", "ro_mount", row)}
    result = bench.run(command="chmod u+w ${{inputs.mounted}} && echo spoilt > ${{inputs.mounted}}")
    assert result["status"] == "completed", bench.log()
    assert Path(row[1]).read_text() == "a,b\n"


def test_content_that_is_one_file_is_handed_over_as_that_file_whatever_its_type(bench: Any) -> None:
    model = bench.files("custom_model", "ro_mount", bench.row("model.pkl", "weights"))
    bench.spec["inputs"] = {"model": {**model, "single": True}}
    bench.run(command="cat ${{inputs.model}}")
    assert bench.log() == "weights"


def test_a_file_input_of_two_files_is_refused(bench: Any) -> None:
    bench.spec["inputs"] = {"x": bench.files("uri_file", "ro_mount", bench.row("a", ""), bench.row("b", ""))}
    assert "2 were found" in bench.run()["failure"]["message"]


def test_an_address_is_passed_as_it_is(bench: Any) -> None:
    bench.spec["inputs"] = {"remote": {"kind": "uri", "value": "https://example.com/x?a=1&b=$HOME"}}
    bench.run(command="echo ${{inputs.remote}}")
    assert bench.log() == "https://example.com/x?a=1&b=$HOME\n"


def test_a_file_output_is_a_path_and_a_folder_output_a_folder(bench: Any) -> None:
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


def test_paths_with_blanks_and_quotes_reach_the_command(bench: Any) -> None:
    name = 'it\'s a "file" $(touch pwned).csv'
    bench.spec["inputs"] = {"x": bench.files("uri_file", "ro_mount", bench.row(name, "content\n"))}
    bench.run(command="""cat ${{inputs.x}} "${{inputs.x}}" '${{inputs.x}}'""")
    assert bench.log() == "content\n" * 3
    assert list((bench.folder / "code").iterdir()) == []


def test_the_environment_is_an_allow_list(bench: Any) -> None:
    bench.own |= {"AWS_SECRET_ACCESS_KEY": "geheim", "LC_ALL": "C.UTF-8", "TZ": "Europe/Berlin"}
    bench.spec["environment"]["variables"] = {"VIRTUAL_ENV": "/prefix", "WHO": "environment"}
    bench.spec["variables"] = {
        "MY_FLAG": "1",
        "WHO": "job",
        "AZUREML_RUN_ID": "spoofed",
        "MLFLOW_TRACKING_PASSWORD": "x",
    }
    bench.script("import json, os; print(json.dumps(dict(os.environ)))")
    bench.run()
    seen = json.loads(bench.log())
    assert "geheim" not in bench.log()
    assert "MLFLOW_TRACKING_PASSWORD" not in seen
    expected = {"LC_ALL": "C.UTF-8", "TZ": "Europe/Berlin", "VIRTUAL_ENV": "/prefix", "WHO": "job", "MY_FLAG": "1"}
    expected |= {"AZUREML_RUN_ID": "train-1a2b3c4d", "MLFLOW_RUN_ID": "train-1a2b3c4d", "PYTHONUNBUFFERED": "1"}
    assert expected.items() <= seen.items()
    assert seen["PATH"].startswith(bench.spec["environment"]["path"][0] + ":")

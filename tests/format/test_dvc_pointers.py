"""What DVC tracks at a path that Git has no file at, from its pointer alone."""

from __future__ import annotations

import pytest
from planning.project import tree_of

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.dvc_pointers import find_dvc_tracked, find_inner_pointers
from reconciler.format.include import ANY_FILE
from reconciler.format.load import load_assets
from reconciler.planning.content import has_content, tracked_content

pytestmark = pytest.mark.fast

MD5 = "764efa883dda1e11db47671c4a3bbd9e"
OTHER = "dafe5b4f934665fba7722eb4d182f64e"
ASSET = """$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json
name: a
type: uri_file
path: data/a.csv
"""
FILE = f"outs:\n- md5: {MD5}\n  size: 3\n  hash: md5\n  path: a.csv\n"
FOLDER = f"outs:\n- md5: {OTHER}.dir\n  size: 40\n  nfiles: 2\n  hash: md5\n  path: raw\n"
STAGES = "stages:\n  prep:\n    cmd: make\n    wdir: steps\n    outs: [out, ../m.bin]\n"
LOCK = f"""schema: '2.0'
stages:
  prep:
    cmd: make
    outs:
    - path: ../m.bin
      hash: md5
      md5: {MD5}
    - path: out
      hash: md5
      md5: {OTHER}.dir
"""


def diagnostics_of(pointer: str, **files: str) -> tuple[Diagnostic, ...]:
    tree = tree_of({"a.yml": ASSET, "data/a.csv.dvc": pointer, **files})
    return tuple(load_assets(tree, [("a.yml", ANY_FILE)]).diagnostics)


def test_a_pointer_beside_a_path_gives_its_digest_and_the_asset_has_no_diagnostics():
    tree = tree_of({"a.yml": ASSET, "data/a.csv.dvc": FILE, ".dvc/config": ""})
    tracked = find_dvc_tracked(tree, "data/a.csv")
    assert tracked
    assert tracked.pointer == (MD5, "data/a.csv", "", "data/a.csv.dvc", "", "", 3, 1)
    assert diagnostics_of(FILE) == ()
    content = tracked_content(tree, "data/a.csv")
    assert (content.digest, content.is_file) == (f"dvc:{MD5}", True)


def test_a_path_within_a_tracked_folder_has_a_digest_of_its_own():
    tree = tree_of({"data/raw.dvc": FOLDER})
    whole, part = tracked_content(tree, "data/raw"), tracked_content(tree, "data/raw/sub/x")
    assert whole.digest == f"dvc:{OTHER}.dir"
    assert part.digest.startswith(f"dvc:{OTHER}.dir.")
    assert part.dvc
    assert (part.dvc.within, part.dvc.name, part.dvc.files, part.dvc.size) == ("sub/x", "x", 2, 40)


def test_outputs_of_stages_are_found_in_the_lock_relative_to_the_folder_of_their_stage():
    tree = tree_of({"p/dvc.yaml": STAGES, "p/dvc.lock": LOCK})
    assert tracked_content(tree, "p/m.bin").digest == f"dvc:{MD5}"
    assert tracked_content(tree, "p/steps/out").digest == f"dvc:{OTHER}.dir"
    pointer = tracked_content(tree, "p/steps/out/b.csv").dvc
    assert pointer
    assert (pointer.within, pointer.target) == ("b.csv", "p/steps/out")
    assert not has_content(tree, "p/out")


def test_a_file_in_git_counts_before_its_pointer():
    tree = tree_of({"data/a.csv": "in Git", "data/a.csv.dvc": FILE})
    assert tracked_content(tree, "data/a.csv").digest.startswith("blob:")


def test_a_path_that_dvc_does_not_track_is_missing():
    (diagnostic,) = load_assets(tree_of({"a.yml": ASSET, "data/b.csv.dvc": FILE}), [("a.yml", ANY_FILE)]).diagnostics
    assert diagnostic.code == "path-missing"


def test_an_output_without_a_hash_in_the_lock_is_refused_at_its_line():
    tracked = find_dvc_tracked(
        tree_of({"dvc.yaml": "stages:\n  p:\n    cmd: x\n    outs:\n    - data/a.csv\n"}), "data/a.csv"
    )
    assert tracked
    (problem,) = tracked.problems
    assert (problem.code, problem.span and problem.span.line) == ("dvc-pointer", 5)
    assert "dvc repro" in problem.hint


@pytest.mark.parametrize(
    ("pointer", "code", "line", "words"),
    [
        (FILE.replace("a.csv", "../../x"), "dvc-pointer", 5, "outside the repository"),
        (FILE.replace("a.csv", "/etc/passwd"), "dvc-pointer", 5, "outside the repository"),
        (FILE.replace("a.csv", "s3://bucket/a.csv"), "dvc-pointer", 5, "outside the repository"),
        (FILE.replace("a.csv", "b.csv"), "dvc-pointer", 5, "tracks b.csv, not data/a.csv"),
        (FILE.replace(MD5, "../../../etc/passwd"), "dvc-pointer", 2, "no md5"),
        (FILE.replace(MD5, MD5.upper()), "dvc-pointer", 2, "no md5"),
        (FILE.replace(MD5, "12"), "dvc-pointer", 2, "no md5"),
        (FILE.replace(MD5, f"{MD5}\\n"), "dvc-pointer", 2, "no md5"),
        (FILE.replace("  hash: md5\n", ""), "dvc-unsupported", 2, "DVC 2"),
        (FILE.replace("hash: md5", "hash: blake3"), "dvc-unsupported", 4, "blake3"),
        (f"deps:\n- path: s3://b/a.csv\n{FILE}", "dvc-unsupported", 1, "import"),
        (f"{FILE}  cloud: {{r: {{etag: x}}}}\n", "dvc-unsupported", 6, "versions"),
        (f"{FILE}  cache: false\n", "dvc-unsupported", 6, "cache: false"),
        ("outs: 5\n", "dvc-pointer", 1, "no outs"),
        ("outs: [}\n", "yaml-syntax", 1, ""),
    ],
)
def test_a_pointer_that_cannot_be_used_is_refused_at_its_line(pointer, code, line, words):
    (diagnostic,) = diagnostics_of(pointer)
    assert diagnostic.span
    assert (diagnostic.code, diagnostic.span.path, diagnostic.span.line) == (code, "data/a.csv.dvc", line)
    assert words in diagnostic.message
    assert diagnostic.severity is Severity.ERROR
    assert diagnostic.hint or code == "yaml-syntax"


@pytest.mark.parametrize(
    "pointer",
    [
        "outs:\n" + "".join(f"- {{md5: {MD5}, hash: md5, path: f{number}}}\n" for number in range(100_000)),
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 10)}]\n" for i in range(8)),
    ],
    ids=["huge", "bomb"],
)
def test_a_pointer_that_is_huge_or_a_bomb_is_refused(pointer):
    (diagnostic,) = diagnostics_of(pointer)
    assert diagnostic.span
    assert diagnostic.span.path == "data/a.csv.dvc"
    assert diagnostic.severity is Severity.ERROR


def test_pointers_in_a_folder_of_git_are_a_warning_for_data_and_not_for_code():
    assert find_inner_pointers(["a.csv.dvc", "b.csv.dvc", "b.csv", "c.dvc", "c/x"]) == ["a.csv.dvc"]
    asset = ASSET.replace("uri_file", "uri_folder").replace("data/a.csv", "data")
    tree = tree_of({"a.yml": asset, "data/a.csv.dvc": FILE})
    (diagnostic,) = load_assets(tree, [("a.yml", ANY_FILE)]).diagnostics
    assert (diagnostic.code, diagnostic.severity) == ("dvc-inside", Severity.WARNING)

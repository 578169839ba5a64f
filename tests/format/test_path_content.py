from __future__ import annotations

from dataclasses import replace

import pytest
from planning.world import small, tree_of

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.assets import load_assets
from reconciler.format.include import ANY_FILE
from reconciler.format.path_content import resolve_path_content
from reconciler.model import SUBMODULE_MODE, SYMLINK_MODE, Tree, TreeEntry

DATA = "data/numbers.yml"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"


def linked(files: dict[str, str], **links: str) -> Tree:
    """Return a tree in which some files are links: their text is the target."""
    made = tree_of({**files, **links})
    entries = {
        path: TreeEntry(SYMLINK_MODE, entry.oid) if path in links else entry for path, entry in made.entries.items()
    }
    return replace(made, entries=entries)


def names(tree: Tree, path: str) -> list[str]:
    found = resolve_path_content(tree, path)
    assert found.unavailable == ()
    return [name for name, _ in found.files]


def problem(tree: Tree) -> Diagnostic:
    (found,) = load_assets(tree, [(DATA, ANY_FILE), ("jobs/sum.yml", ANY_FILE)]).diagnostics
    return found


def test_a_link_to_a_file_is_the_file():
    tree = linked({"a": "text", "x/b": "other"}, **{"x/l": "../a"})
    assert resolve_path_content(tree, "x/l").files == (("l", tree.entries["a"]),)
    assert tree.read_file("x/l") == b"text"


def test_a_link_to_a_folder_has_the_files_of_the_folder():
    tree = linked({"src/a.py": "1", "src/b/c.py": "2"}, code="src", **{"all/s": "../src"})
    assert names(tree, "code") == ["a.py", "b/c.py"]
    assert names(tree, "all") == ["s/a.py", "s/b/c.py"]
    assert tree.exists("code/b/c.py")
    assert not tree.exists("code/d")


def test_a_link_to_a_link_is_followed():
    tree = linked({"src/a.py": "1"}, one="two", two="./src/../src")
    assert names(tree, "one") == ["a.py"]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/etc/passwd", "link-outside"),
        ("../../x", "link-outside"),
        ("nowhere", "link-dangling"),
        ("numbers.csv", "link-circle"),
    ],
)
def test_a_link_that_cannot_be_followed_is_said_where_the_path_stands(target, code):
    found = problem(linked(small(), **{"data/numbers.csv": target}))
    assert (found.code, found.span) == (code, Span(DATA, 4, 7))


def test_a_link_inside_a_code_folder_that_leads_out_is_said_at_the_code():
    found = problem(linked(small(), **{"src/secret": "../../secret"}))
    assert (found.code, found.span) == ("link-outside", Span("jobs/sum.yml", 4, 7))


def test_a_folder_that_holds_itself_by_a_link_ends():
    tree = linked({"src/a.py": "1"}, **{"src/up": "..", "src/me": "."})
    assert {unavailable_file.code for unavailable_file in resolve_path_content(tree, "src").unavailable} == {
        "link-circle"
    }


def test_what_is_ignored_is_not_missed():
    tree = linked({"src/a.py": "1", "src/.amlignore": "gone\n"}, **{"src/gone": "/nowhere"})
    assert names(tree, "src") == [".amlignore", "a.py"]


def test_a_submodule_below_a_path_is_said_where_the_path_stands():
    tree = tree_of(small())
    tree = replace(tree, entries={**tree.entries, "src/lib": TreeEntry(SUBMODULE_MODE, "0" * 40)})
    found = problem(tree)
    assert (found.code, found.span) == ("submodule", Span("jobs/sum.yml", 4, 7))
    assert "src/lib" in found.message


@pytest.mark.parametrize("size", [None, lambda _oid: len(POINTER)])
def test_a_pointer_of_git_lfs_is_no_content(size):
    tree = replace(tree_of({**small(), "data/numbers.csv": POINTER}), blob_size=size)
    found = problem(tree)
    assert (found.code, found.span) == ("lfs-pointer", Span(DATA, 4, 7))


def test_what_is_laid_out_beside_the_code_must_be_there_too():
    head = "$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json\nname: c\ntype: command\n"
    text = f"{head}command: c\nenvironment: azureml:e:1\nadditional_includes:\n  - lib\n  - packed.zip\n"
    tree = tree_of({"c.yml": text, "lib/big.bin": POINTER, "packed/big.bin": POINTER})
    found = [(diagnostic.code, diagnostic.span) for diagnostic in load_assets(tree, [("c.yml", ANY_FILE)]).diagnostics]
    assert found == [("lfs-pointer", Span("c.yml", 7, 5)), ("lfs-pointer", Span("c.yml", 8, 5))]


def test_a_large_file_is_not_read_to_see_that_it_is_no_pointer():
    tree = tree_of(small())
    big = tree.entries["data/numbers.csv"].oid

    def read(oid: str) -> bytes:
        assert oid != big
        return tree.read_blob(oid)

    assert (
        load_assets(replace(tree, read_blob=read, blob_size=lambda _oid: 10**9), [(DATA, ANY_FILE)]).diagnostics == ()
    )

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from planning.project import small, tree_of

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.include import ANY_FILE
from reconciler.format.load import load_assets
from reconciler.format.path_content import resolve_path_content
from reconciler.model import SUBMODULE_MODE, SYMLINK_MODE, Tree, TreeEntry

pytestmark = pytest.mark.fast

DATA = "data/numbers.yml"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"


def linked(files: dict[str, str], **links: str) -> Tree:
    """Return a tree with symbolic links, given by path and target."""
    tree = tree_of({**files, **links})
    entries = {
        path: TreeEntry(SYMLINK_MODE, entry.oid) if path in links else entry for path, entry in tree.entries.items()
    }
    return replace(tree, entries=entries)


def file_names(tree: Tree, path: str) -> list[str]:
    content = resolve_path_content(tree, path)
    assert content.unavailable == ()
    return [name for name, _ in content.files]


def single_diagnostic(tree: Tree) -> Diagnostic:
    (diagnostic,) = load_assets(tree, [(DATA, ANY_FILE), ("jobs/sum.yml", ANY_FILE)]).diagnostics
    return diagnostic


def test_a_link_to_a_file_resolves_to_the_file():
    tree = linked({"a": "text", "x/b": "other"}, **{"x/l": "../a"})
    assert resolve_path_content(tree, "x/l").files == (("l", tree.entries["a"]),)
    assert tree.read_file("x/l") == b"text"


def test_a_link_to_a_folder_resolves_to_the_files_of_the_folder():
    tree = linked({"src/a.py": "1", "src/b/c.py": "2"}, code="src", **{"all/s": "../src"})
    assert file_names(tree, "code") == ["a.py", "b/c.py"]
    assert file_names(tree, "all") == ["s/a.py", "s/b/c.py"]
    assert tree.exists("code/b/c.py")
    assert not tree.exists("code/d")


def test_a_link_to_a_link_is_followed():
    tree = linked({"src/a.py": "1"}, one="two", two="./src/../src")
    assert file_names(tree, "one") == ["a.py"]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/etc/passwd", "link-outside"),
        ("../../x", "link-outside"),
        ("nowhere", "link-dangling"),
        ("numbers.csv", "link-circle"),
    ],
)
def test_a_broken_link_is_reported_at_the_path_that_uses_it(target, code):
    diagnostic = single_diagnostic(linked(small(), **{"data/numbers.csv": target}))
    assert (diagnostic.code, diagnostic.span) == (code, Span(DATA, 4, 7))


def test_a_link_from_a_code_folder_to_outside_is_reported_at_the_code_field():
    diagnostic = single_diagnostic(linked(small(), **{"src/secret": "../../secret"}))
    assert (diagnostic.code, diagnostic.span) == ("link-outside", Span("jobs/sum.yml", 4, 7))


def test_a_folder_that_contains_a_link_to_itself_is_reported():
    tree = linked({"src/a.py": "1"}, **{"src/up": "..", "src/me": "."})
    assert {file.code for file in resolve_path_content(tree, "src").unavailable} == {"link-circle"}


def test_an_ignored_broken_link_is_not_reported():
    tree = linked({"src/a.py": "1", "src/.amlignore": "ignored\n"}, **{"src/ignored": "/nowhere"})
    assert file_names(tree, "src") == [".amlignore", "a.py"]


def test_a_submodule_is_reported_at_the_path_that_contains_it():
    tree = tree_of(small())
    tree = replace(tree, entries={**tree.entries, "src/lib": TreeEntry(SUBMODULE_MODE, "0" * 40)})
    diagnostic = single_diagnostic(tree)
    assert (diagnostic.code, diagnostic.span) == ("submodule", Span("jobs/sum.yml", 4, 7))
    assert "src/lib" in diagnostic.message


@pytest.mark.parametrize("size", [None, lambda _oid: len(POINTER)])
def test_a_git_lfs_pointer_is_reported(size):
    tree = replace(tree_of({**small(), "data/numbers.csv": POINTER}), blob_size=size)
    diagnostic = single_diagnostic(tree)
    assert (diagnostic.code, diagnostic.span) == ("lfs-pointer", Span(DATA, 4, 7))


def test_additional_includes_must_have_content_in_git():
    head = "$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json\nname: c\ntype: command\n"
    text = f"{head}command: c\nenvironment: azureml:e:1\nadditional_includes:\n  - lib\n  - packed.zip\n"
    tree = tree_of({"c.yml": text, "lib/big.bin": POINTER, "packed/big.bin": POINTER})
    diagnostics = load_assets(tree, [("c.yml", ANY_FILE)]).diagnostics
    assert [(diagnostic.code, diagnostic.span) for diagnostic in diagnostics] == [
        ("lfs-pointer", Span("c.yml", 7, 5)),
        ("lfs-pointer", Span("c.yml", 8, 5)),
    ]


def test_a_large_file_is_not_read_to_check_for_a_git_lfs_pointer():
    tree = tree_of(small())
    big = tree.entries["data/numbers.csv"].oid

    def read(oid: str, read_blob: Callable[[str], bytes] = tree.read_blob) -> bytes:
        assert oid != big
        return read_blob(oid)

    tree = replace(tree, read_blob=read, blob_size=lambda _oid: 10**9)
    assert load_assets(tree, [(DATA, ANY_FILE)]).diagnostics == ()

"""A report as the comment of a pull request: golden files for people, laws for what a stranger may write."""

from __future__ import annotations

import re

import pytest
from github_markdown import read_page
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import HOSTILE, LINKS, REPORTS, action, body_of, hostile_report, many_actions, report, run, saved

from reconciler.abbreviation import abbreviate_text
from reconciler.diagnostics import Diagnostic, Span
from reconciler.render.markdown_text import code_span, escape_markdown, html_code, table_header, table_row
from reconciler.render.report_markdown import ReportLinks, comment_markdown, comment_marker, summary_markdown
from reconciler.render.sanitize import sanitize_line
from reconciler.render.sentences import OP_SIGNS

pytestmark = pytest.mark.fast

OUR_TAGS = {"h3", "h4", "p", "ul", "li", "code", "pre", "details", "summary", "sub", "blockquote", "a", "strong"} | {
    *("table", "thead", "tbody", "tr", "th", "td")
}
COMMENT, SUMMARY = 65_536, 1_048_576
FIRST_LINES = 45
SIGNS = set(OP_SIGNS.values())
# Characters that mean something to Markdown, HTML, tables, Mermaid or GitHub, and words that it makes links of.
NASTY = st.text(st.sampled_from("\\`*_[]()<>#|~&!@$:;-+=.1a \n\t\"'{}/%\u202e\u200b\u00e9\u4e2d"), max_size=40)
WORDS = st.sampled_from(
    ["@ada", "#1", "https://x.example", "www.x.example", "</details>", "a@b.example", "`", "```", "|", "<!--"]
)
TEXTS = st.one_of(NASTY, st.lists(st.one_of(WORDS, NASTY), max_size=6).map("".join), st.text(max_size=30))


def check(markdown: str, target: str = "default") -> None:
    """Check that a page has our tags and links only, and nothing that GitHub makes a link of."""
    page = read_page(markdown)
    assert set(page.tags) <= OUR_TAGS
    assert all(link.startswith((*LINKS, "https://github.com/acme/")) for link in page.links)
    assert page.references == []
    assert page.comments in ([], [f"mlgit {target}"])
    assert len({len(row) for row in page.rows} - {2, 3, 4}) == 0


@pytest.mark.parametrize("name", REPORTS)
def test_a_comment_is_as_a_person_reads_it(name, golden):
    found = REPORTS[name]()
    comment = comment_markdown(found, LINKS)
    assert len(comment.encode()) < COMMENT
    assert comment.startswith(f"{comment_marker(found.target)}\n### ")
    check(comment, found.target)
    lines = comment.splitlines()
    if len(lines) > 150:
        lines = [*lines[:FIRST_LINES], f"({len(comment) // 1000} kB, {len(lines)} lines; the last lines:)", *lines[-3:]]
    golden(f"report/{name}.md", "\n".join(lines) + "\n")


@pytest.mark.parametrize("name", REPORTS)
def test_a_summary_is_the_comment_without_its_mark_and_with_more_in_it(name):
    found = REPORTS[name]()
    summary = summary_markdown(found, LINKS)
    assert summary.startswith("### ")
    assert len(summary.encode()) < SUMMARY
    check(summary)


@pytest.mark.slow
def test_of_5000_actions_all_that_is_lost_or_costs_is_in_the_comment():
    actions = many_actions(5000)
    comment = comment_markdown(report(saved(body_of(actions))), LINKS)
    page = read_page(comment)
    assert comment.splitlines()[1] == "### Plan: 5000 changes, starts 20 runs."
    listed = [row[1] for row in page.rows if row[0] in SIGNS]
    worst = {item["address"] for item in actions if item["action"] != "new-version"}
    assert worst <= {*listed, *(row[0] for row in page.rows)}
    assert [address.partition("/")[0] for address in listed[:5]] == ["compute"] * 5
    (left_out,) = re.findall(r"and ([\d,]+) more actions in the \[full plan\]", comment)
    assert int(left_out.replace(",", "")) == 5000 - 20 - len(listed)
    assert len(listed) > 500
    everything = read_page(summary_markdown(report(saved(body_of(actions))), LINKS))
    assert len([row for row in everything.rows if row[0] in SIGNS]) == 4980


@pytest.mark.slow
def test_deletions_and_submissions_are_counted_and_named_first_even_if_not_all_fit():
    actions = [run(f"train-{number}", "x " * 200) for number in range(800)]
    actions += [action("delete", f"datastore/{'d' * 200}-{number}", "delete") for number in range(800)]
    comment = comment_markdown(report(saved(body_of(actions))), LINKS)
    assert len(comment.encode()) < COMMENT
    assert "### Plan: 1600 changes, starts 800 runs." in comment
    assert comment.count("`datastore/") > 50
    assert "and 790 more\n" in comment
    assert re.search(r"and [\d,]+ more runs in the", comment)


@pytest.mark.slow
def test_a_limit_is_kept_however_small_and_the_verdict_stays():
    for limit in (4000, 12_000):
        for name, make in REPORTS.items():
            comment = comment_markdown(make(), LINKS, limit)
            assert len(comment.encode()) <= limit or name == "hostile", name
            assert re.match(r"<!-- mlgit [a-z]+ -->\n### \w", comment)


def test_what_the_plan_counts_itself_is_not_believed():
    comment = comment_markdown(report(saved(body_of([run("train", "x")]))), LINKS)
    assert "### Plan: 1 change, starts 1 run." in comment


@pytest.mark.slow
def test_without_links_the_comment_names_the_file_with_the_rest():
    comment = comment_markdown(report(saved(body_of(many_actions(5000)))), ReportLinks())
    assert "more actions in `plan.json`" in comment
    assert read_page(comment).links == []


@pytest.mark.parametrize("path", ["../../x", "a/../../b", "./a.yml", "/etc/passwd", "a//b", ""])
def test_a_path_out_of_the_commit_is_no_link(path):
    found = Diagnostic("a-b", "m", Span(path))
    assert "#L" not in comment_markdown(report(diagnostics=(found,)), LINKS)


def test_a_place_links_to_its_line_in_the_folder_of_the_workspace():
    found = Diagnostic("a-b", "m", Span("jobs/a b.yml", 3, 5))
    comment = comment_markdown(report(diagnostics=(found,), root="teams/ml/"), LINKS)
    assert f"[`jobs/a b.yml:3:5`]({LINKS.files}teams/ml/jobs/a%20b.yml#L3)" in comment
    assert "#L" not in comment_markdown(report(diagnostics=(found,), root="../"), LINKS)


def letters(text: str) -> str:
    """Return text without spaces, and without backticks, which become code."""
    return "".join(text.replace("`", "").split())


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_any_text_is_shown_as_it_is_in_a_list_and_in_a_table(text):
    shown = abbreviate_text(sanitize_line(text)).strip()
    markdown = escape_markdown(text)
    item = read_page(f"- {markdown}\n")
    assert set(item.tags) <= {"ul", "li", "code"}
    assert item.references == []
    assert letters(item.text) == letters(shown)
    table = read_page(f"{table_header('a', 'b')}\n{table_row(markdown, code_span(text))}\n")
    assert [len(row) for row in table.rows] == [2, 2]
    assert letters(table.rows[1][0]) == letters(shown)
    assert "".join(table.rows[1][1].split()) == "".join(sanitize_line(text).split())
    assert table.references == []
    assert read_page(f"<details><summary>{html_code(text)}</summary>\n\nx\n\n</details>\n").tags == [
        "details",
        "summary",
        "code",
        "p",
    ]


@settings(max_examples=12, deadline=None)
@given(st.lists(TEXTS.filter(lambda text: text.split() != []), min_size=1, max_size=3))
def test_whatever_a_stranger_writes_the_page_stays_ours(texts):
    comment = comment_markdown(hostile_report(texts), LINKS)
    assert len(comment.encode()) < COMMENT
    check(comment)


def test_a_graph_has_no_sign_of_a_stranger_that_mermaid_obeys():
    page = read_page(comment_markdown(hostile_report(HOSTILE), LINKS))
    for line in page.mermaid.splitlines():
        assert re.fullmatch(
            r"graph LR|  n\d+\[\"[\w /#;-]+\"\]:::[a-z]+|  n\d+ --> n\d+|  classDef [a-z]+ [\w:#,]+", line
        ), line


@pytest.mark.parametrize("text", ["\U0001f600", "a b ", "@|`"])
def test_no_text_is_so_long_that_the_verdict_and_the_first_of_all_are_lost(text):
    comment = comment_markdown(hostile_report([text * 10_000, *HOSTILE]), LINKS)
    assert len(comment.encode()) < COMMENT
    page = read_page(comment)
    assert "Plan: 28 changes" in page.text
    assert page.text.count("evil") > 50
    check(comment)

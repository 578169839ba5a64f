"""mlgit explain: explain what a diagnostic means, and how to fix it."""

from __future__ import annotations

import click

from reconciler.cli.console import echo
from reconciler.cli.options import format_option
from reconciler.diagnostics import user_error
from reconciler.format.suggest import did_you_mean
from reconciler.render import plan_json
from reconciler.render.explain_pages import ExplainPage, load_pages


@click.command("explain")
@click.argument("code", required=False)
@format_option
def command(code: str | None, form: str) -> None:
    """Explain a diagnostic by its code, the word in brackets at its end; without CODE, list all codes.

    \b
    mlgit explain version-immutable
    mlgit explain | grep yaml
    """
    pages = load_pages()
    if code is None and form == "json":
        echo(plan_json.dump_json([{"code": page.code, "summary": page.summary} for page in pages.values()]))
        return
    if code is None:
        width = max(map(len, pages))
        echo("\n".join(f"{page.code:{width}}  {page.summary}" for page in pages.values()))
        return
    page = pages.get(code.strip("[]").lower())
    if page is None:
        hint = did_you_mean(code, pages) or "`mlgit explain` lists them all"
        raise user_error("code-unknown", f"there is no diagnostic with the code {code}", hint)
    document = {"code": page.code, "summary": page.summary, "text": page.body}
    echo(plan_json.dump_json(document) if form == "json" else _format_page(page))


def _format_page(page: ExplainPage) -> str:
    return f"{page.code}\n\n{page.body}"

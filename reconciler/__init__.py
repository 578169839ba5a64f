"""mlgit: a function from a Git tree and a live state to a list of actions.

The packages, in the order in which a plan and an apply flow through them::

    source/      Git tree or disk -> documents; the cache of parsed files
    format/      documents -> assets, with diagnostics at file:line:column
    config/      mlgit.yml
    planning/    assets and live state -> graph -> changes -> plan
    engine/      plan -> events: loop, actions, locking, refresh, repair
    operations/  archive, restore, import
    render/      values -> text, JSON, Markdown, GitHub, SARIF
    project/     the facade: open, load, plan, prepare_apply, apply
    controller/  plan and apply repeatedly
    cli/         one module per command: parse, call, render, exit

The edges, the only packages that talk to Git, disks, processes and services::

    git/         Git
    state/       the live state in Git refs: records, locks, journal, history
    storage/     the object store
    builders/    make environments
    backends/    run jobs
    runner/      executes one run anywhere; standard library only

``model`` has the nouns, ``secrets`` what is redacted, ``diagnostics`` what is wrong with a user's files.
docs/architecture.md describes the flow; tests/test_layering.py has the allowed imports.
"""

__version__ = "0.1.0"

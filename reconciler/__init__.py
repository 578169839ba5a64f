"""mlgit: a function from a Git tree and a live state to a list of actions.

The map of this package, in the order in which a plan and an apply flow through it::

    source/    Git tree -> documents: the workspace root, what is an asset
    format/    documents -> assets, with diagnostics at file:line:column
    planning/  assets and live state -> graph -> changes -> plan
    applying/  plan -> events: what is done, in which order, and what is recorded
    render/    values -> strings: plans, diagnostics, tables
    workbench/ what the next two, and programs, compose: a workspace opened, judged, planned, done
    controller/ plan and apply, again and again
    cli/       one module per command: parse, call, render, exit

The edges, each the only place that talks to its part of the world::

    git/       Git itself, through GitPython
    live/      the live state, kept in Git refs, here or at a remote; who has claimed what
    content/   the object store, through dvc_data
    builders/  make environments (venv, ...)
    backends/  run jobs (local, ...)
    runner/    what executes one run anywhere; standard library only
    observe    the world -> an observation value

``model`` holds the nouns, ``diagnostics`` what is wrong with a user's files. Both import nothing of ours.
Imports point down: cli > controller > workbench > applying > observe > edges > render > planning > format > model,
diagnostics.
"""

__version__ = "0.1.0"

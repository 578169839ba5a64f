"""What a run tells about itself, through the protocol that every MLflow client speaks.

From the outside to the inside::

    session    where the run is tracked: here, or by a server elsewhere
    remote     the same run on a tracking server elsewhere
    server     HTTP: the token, the sizes, the shapes of answers
    calls      which call is answered by what
    arguments  what a client sends, checked
    runs       the run, the runs that a script nests in it, and metrics.jsonl
    models     the logged models of MLflow 3
    search     filters and orders of a search for runs or models
    artifacts  files, never outside of their folder
    errors     refusals in MLflow's own shape
"""

from .session import open_tracking as open_tracking

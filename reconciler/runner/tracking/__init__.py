"""The tracking of a run: the MLflow REST API for the script, answered here or by another server.

From the outside to the inside::

    session    where the run is tracked: by the runner, or by another server
    local      the run tracked by the runner, loaded with the first call
    remote     the run on another tracking server
    server     HTTP: the token, limits, responses
    calls      the calls of the API, by route; registry_calls those to the registry
    arguments  parsing and checking of request bodies
    runs       the main run, runs nested in it, and metrics.jsonl
    routes     paths and the functions that handle their calls
    models     the logged models of MLflow 3
    registered the model registry: names that a script registers, and the note about them
    search     filters and orders of searches for runs and models
    artifacts  files, all inside of one folder
    errors     errors in the form of MLflow
"""

from .session import open_tracking as open_tracking

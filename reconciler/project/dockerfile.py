"""The Dockerfile by which an environment is built, for a person."""

from __future__ import annotations

from reconciler.builders import BUILDERS
from reconciler.diagnostics import user_error
from reconciler.model import Record, State
from reconciler.model.content import Content
from reconciler.project.export import is_built
from reconciler.project.state_session import StateSession
from reconciler.project.store import open_store


def show_dockerfile(session: StateSession, state: State, record: Record) -> str:
    """Return the Dockerfile of a version of an environment, as the first builder that uses one has it.

    The images in it are those of the recorded build. Raises UserError ``dockerfile-missing`` if there is none.
    """
    builders = session.config.builders_of(record.address)
    types = {name: str(session.config.builders[name]["type"]) for name in builders}
    sources = {name: BUILDERS.load(type_name).dockerfile for name, type_name in types.items()}
    name = next((name for name, source in sources.items() if source), "")
    if not is_built(record.address) or not name:
        message = f"no builder of mlgit.yml makes {record.address} by a Dockerfile"
        raise user_error("dockerfile-missing", message, "add a builder of the type docker to builders:")
    lock = str(state.find_builds(record.fingerprint).get(name, {}).get("lock", ""))
    text: str = BUILDERS.call(
        *(types[name], sources[name], str(record.address), record.spec, lock),
        lambda path: _read_context_file(session, record, path),
    )
    return text


def _read_context_file(session: StateSession, record: Record, path: str) -> str:
    """Return a file of the build context of an environment, as it is in the store."""
    content = Content.from_json(record.realised["contents"]["/build/path"])
    store = open_store(session)
    for file in store.manifest(content):
        if file.path == path:
            with store.open(file.digest) as stream:
                return stream.read().decode("utf-8", "replace")
    message = f"the build context of {record.address} has no Dockerfile {path}"
    raise user_error("dockerfile-missing", message, "add it to the context, or name it in build: dockerfile_path:")

"""What all builders do alike of an environment's spec; a light module, for their tables."""

from __future__ import annotations

from reconciler.model.support import Honoured, Ignored

HONOURED = (
    Honoured("/conda_file"),
    Honoured("/conda_file/dependencies"),
    Honoured("/conda_file/variables"),
    Honoured("/os_type", ("linux",)),
)
IGNORED = (
    Ignored("/conda_file/*", "conda ignores it too"),
    Ignored("/inference_config", "no server runs in it"),
    Ignored("/auto_delete_setting", "nothing is deleted by age"),
)

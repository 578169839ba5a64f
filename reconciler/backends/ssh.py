"""The backend `ssh`, as it is known before it is opened: runs are processes of another machine, reached by ssh.

The backend `local` runs them there, so this one has its slots, its queues and its support.
"""

from __future__ import annotations

from reconciler.backends import local
from reconciler.backends._local_capacity import count_gpus, find_capacity
from reconciler.model.plugins import BackendPlugin, Form
from reconciler.model.support import Ignored, Support

_ITS_MACHINE = "its runs are processes of the machine of the backend"
_INSTANCES = "all instances are processes of the machine of the backend, each with a slot of the compute"
_REASONS = {
    "/resources/shm_size": "the shared memory of its machine is not limited for a run",
    "/resources/docker_args": "runs are processes of its machine and in no container",
    "/identity": "a run has the rights of who logs on to its machine, and is not signed in to Azure",
    "/resources/max_instance_count": "a run has one machine, and no other joins it",
}
_LOCAL = local.BACKEND.support
_JOB = tuple(
    entry._replace(note=_INSTANCES) if entry.note == local.INSTANCES_NOTE else entry for entry in _LOCAL.honoured["job"]
)
_IGNORED_OF_JOB = tuple(
    entry._replace(reason=_REASONS.get(entry.pointer, entry.reason.replace("this machine", "its machine")))
    for entry in _LOCAL.ignored["job"]
)
_IGNORED_OF_COMPUTE = (
    Ignored(
        "/ssh_settings",
        "it names no machine: write machine:, port: and user: of the backend in mlgit.yml, and bind the key there",
    ),
    Ignored("/*", _ITS_MACHINE, is_usual=True),
)
_TEXT = {"type": "string", "minLength": 1}

_SETTINGS = {
    "type": "object",
    "properties": {
        "machine": {
            **_TEXT,
            "description": "The machine: a name or an address.",
            "pattern": r"^[\w:][\w.:%-]*$",
            "errorMessage": "the name or the address of a machine, such as gpu1.example.com",
        },
        "port": {"description": "Its port; if omitted, 22.", "type": "integer", "minimum": 1, "maximum": 65535},
        "user": {
            **_TEXT,
            "description": "Who logs on; if omitted, who runs mlgit.",
            "pattern": r"^[^\x00-\x20\x7f-\x9f]+$",
            "errorMessage": "the name of a user, without blanks",
        },
        "host_key": {
            **_TEXT,
            "description": "Key of the machine as in ssh_host_ed25519_key.pub; if omitted, that of known_hosts.",
            "pattern": r"^[a-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?$",
            "errorMessage": "the type and the key, such as ssh-ed25519 AAAA...",
        },
        "known_hosts": {
            **_TEXT,
            "description": "File with the keys of hosts, relative to mlgit.yml; if omitted, ~/.ssh/known_hosts.",
        },
        "folder": {
            **_TEXT,
            "description": "Folder of the machine for runs and the cache; if omitted, ~/.local/share/mlgit.",
        },
        "python": {**_TEXT, "description": "Python 3.11 or newer of the machine; if omitted, python3."},
        **local.BACKEND.settings["properties"],
    },
    "required": ["machine"],
    "additionalProperties": False,
}

BACKEND = BackendPlugin(
    open="reconciler.backends._ssh:make_ssh_backend",
    settings=_SETTINGS,
    support=Support(
        honoured={"job": _JOB, "compute": _LOCAL.honoured["compute"]},
        ignored={"job": _IGNORED_OF_JOB, "compute": _IGNORED_OF_COMPUTE},
    ),
    accepts=frozenset({Form.PREFIX}),
    find_refusals="reconciler.backends._ssh_find:find_refusals",
    checked_at_submission={"machine": "whether its machine can be reached and has the Python of the environment"},
    variables=frozenset({"SSH_AUTH_SOCK"}),
    secrets=("/private_key", "/passphrase", "/password"),
    check="reconciler.backends._ssh_settings:check_settings",
    find_capacity=find_capacity,
    count_gpus=count_gpus,
)

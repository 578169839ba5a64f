"""What the driver of a storage service raises as an error of the store, by the causes that datastores have too."""

from __future__ import annotations

from reconciler.diagnostics import UserError, user_error
from reconciler.model.object_store import UNREACHABLE_CODE
from reconciler.storage.datastores._causes import CUT, FAILED, NO_CONTAINER, NO_HOST, NO_PATH, QUOTA, THROTTLED
from reconciler.storage.datastores._errors import Place, find_cause, first_words

_CODES = {
    **dict.fromkeys((CUT, NO_HOST, THROTTLED, FAILED), UNREACHABLE_CODE),
    QUOTA: "store-full",
}
_CREDENTIAL = "its credential"
_NO_ROOT = "cannot be used: there is no such bucket, container or folder"
_HINT = "{}; secrets: in mlgit.yml binds what opens it, with for: [store]"


def service_error(location: str, error: BaseException, secrets: tuple[str, ...] = ()) -> UserError:
    """Return ``store-full``, ``store-unreachable``, or ``store-not-usable`` where the service refused.

    No message shows the value of a secret.
    """
    place = Place("store", location, _CREDENTIAL, secrets)
    cause = find_cause(error, place)
    cause = NO_CONTAINER if cause is NO_PATH else cause
    code = _CODES.get(cause, "store-not-usable")
    what = "does not answer" if cause in {CUT, FAILED} else cause.what.format(credential=_CREDENTIAL)
    what = _NO_ROOT if cause is NO_CONTAINER else what
    said = first_words(error, secrets)
    hint = _HINT.format(cause.hint) if "{credential}" in cause.what else cause.hint
    hint = "check that it runs and that this machine reaches it" if cause in {CUT, FAILED} else hint
    message = f"the object store at {location} {what}"
    return user_error(code, message if cause is NO_CONTAINER else f"{message}: {said}", hint)

"""What the drivers of storage services raise, as one error of one line for people."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from reconciler.diagnostics import UserError, user_error
from reconciler.storage.datastores._causes import (
    BY_ERRNO,
    BY_NAME,
    BY_NT_STATUS,
    BY_STATUS,
    BY_TEXT,
    BY_TYPE,
    BY_WRAPPER,
    CUT,
    DENIED,
    EXPIRED,
    FAILED,
    NO_PATH,
    THROTTLED,
    TLS,
    WRONG_CREDENTIAL,
    Cause,
)

OWN_IDENTITY = "your own identity"
NO_CREDENTIAL = "no credential"
_SIGNATURE = re.compile(r"(?i)\b(sig|signature|X-Amz-Signature|token|delegation|password)=[^&\s\"']+")
_MAX_SAID = 200
_UNBOUND_HINT = "bind a secret to datastore/NAME under secrets: in mlgit.yml, or log in with the tools of the service"
_MIN_LINE = 8  # characters of a line of a secret that is looked for by itself
_TRANSIENT = frozenset((CUT, THROTTLED))


class Place(NamedTuple):
    """A datastore as its errors name it.

    ``location`` is the URI of its root. ``credential`` says what it is opened with, such as ``the account key of the
    secret blob-key``; ``secrets`` are the values that no message may show. ``expires`` is when the credential ends.
    """

    name: str
    location: str
    credential: str = ""
    secrets: tuple[str, ...] = ()
    expires: dt.datetime | None = None

    @property
    def is_without_secret(self) -> bool:
        """True if no secret is bound: the datastore is opened with the identity of who runs mlgit, or with none."""
        return self.credential in {OWN_IDENTITY, NO_CREDENTIAL}

    def uri(self, path: str) -> str:
        """Return the URI of a path."""
        return f"{self.location}/{path}" if path else self.location


def find_cause(error: BaseException, place: Place, now: dt.datetime | None = None) -> Cause:
    """Return why a driver failed; `FAILED` for what the table does not know."""
    chain = list(_chain(error))
    cause = _find_cause(chain)
    has_expired = place.expires is not None and place.expires <= (now or dt.datetime.now(dt.UTC))
    return EXPIRED if has_expired and cause in {WRONG_CREDENTIAL, DENIED} else cause


def _find_cause(chain: list[BaseException]) -> Cause:
    text = " ".join(str(item) for item in chain)
    by_text = next((cause for pattern, cause in BY_TEXT if pattern.search(text)), None)
    by_name = _first(BY_NAME, (name for item in chain for name in _names(item)))
    by_type = next((cause for item in chain for type_, cause in BY_TYPE if isinstance(item, type_)), None)
    by_errno = _first(BY_ERRNO, (item.errno for item in chain if isinstance(item, OSError) and item.errno))
    by_nt_status = _first(BY_NT_STATUS, (getattr(item, "ntstatus", None) for item in chain))
    by_status = _first(BY_STATUS, filter(None, map(_status, chain)))
    by_wrapper = _first(BY_WRAPPER, (name for item in chain for name in _names(item)))
    if by_text and by_name in {None, WRONG_CREDENTIAL, DENIED, TLS}:
        return by_text
    return by_name or by_nt_status or by_errno or by_type or by_status or by_wrapper or FAILED


def _first(table: Mapping[Any, Cause], keys: Iterator[Any]) -> Cause | None:
    return next((table[key] for key in keys if key in table), None)


def make_error(cause: Cause, place: Place, path: str, said: str = "") -> UserError:
    """Return the error of a cause: the URI, the datastore, the name of its credential, and what the service said."""
    what = cause.what.format(credential=place.credential or "its credential")
    opened = f" (opened with {place.credential})" if place.credential and "{credential}" not in cause.what else ""
    message = f"{place.uri(path)}: datastore/{place.name} {what}{opened}"
    hint = (
        _UNBOUND_HINT.replace("NAME", place.name)
        if cause is WRONG_CREDENTIAL and place.is_without_secret
        else cause.hint
    )
    return user_error(cause.code, f"{message}; it says: {said}" if said else message, hint)


def explain_error(error: BaseException, place: Place, path: str) -> UserError:
    """Return what a driver raised as an error for people; it shows no value of a secret."""
    cause = find_cause(error, place)
    said = "" if cause is NO_PATH else first_words(error, place.secrets)
    return make_error(cause, place, path, said)


def is_transient(error: BaseException, place: Place) -> bool:
    """Return True if the same request may succeed on a new connection."""
    return find_cause(error, place) in _TRANSIENT


def hide_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return a text without values of secrets and without signatures of requests."""
    forms = {form for secret in secrets for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return _SIGNATURE.sub(r"\1=***", text)


def _forms(secret: str) -> Iterator[str]:
    """Yield what a message can have of a secret: all of it or a line, as it is, in quotes, or as URLs have it."""
    lines = [line for line in secret.splitlines() if len(line) >= _MIN_LINE]
    for text in filter(None, (secret, secret.strip(), secret.strip().removeprefix("?"), *lines)):
        yield from (text, repr(text)[1:-1], quote(text, safe=""), quote(text), quote_plus(text))


def first_words(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """Return the code and the first line of what a service or a driver says, without secrets and then shortened."""
    chain = list(_chain(error))
    coded = next((item for item in chain if _service_code(item)), None)
    item = coded or next((item for item in chain if str(item)), chain[-1])
    message = hide_secrets(_service_message(item) or str(item), secrets)
    line = next((line.strip() for line in message.splitlines() if line.strip()), type(item).__name__)
    code = _service_code(item)
    text = hide_secrets(f"{code}, {line}" if code and code not in line else line, secrets)
    return text if len(text) <= _MAX_SAID else f"{text[: _MAX_SAID - 3]}..."


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, outermost first."""
    found: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        item = pending.pop(0)
        if item is None or item in found:
            continue
        found.append(item)
        yield item
        context = None if item.__suppress_context__ else item.__context__
        inner = (getattr(item, name, None) for name in ("inner_exception", "os_error", "reason"))
        pending += [item.__cause__, context]
        pending += [other for other in (*inner, *item.args) if isinstance(other, BaseException)]


def _names(error: BaseException) -> Iterator[str]:
    yield _service_code(error)
    yield from (type_.__name__ for type_ in type(error).__mro__)


def _service_code(error: BaseException) -> str:
    """Return the code that a service gave: Azure's ``error_code``, that of S3's response; "" if none did."""
    code = getattr(error, "error_code", None)
    if code is not None:
        return str(getattr(code, "value", code))
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        code = str(response.get("Error", {}).get("Code", ""))
        return "" if code.isdecimal() else code
    return ""


def _service_message(error: BaseException) -> str:
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        return str(response.get("Error", {}).get("Message", ""))
    return str(getattr(error, "message", "") or "")


def _status(error: BaseException) -> int:
    """Return the status of the HTTP response of an error, 0 if it has none."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    return status if isinstance(status, int) else 0

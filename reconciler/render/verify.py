"""Render what the verification of contents has found, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.abbreviation import abbreviate_id, format_size, join_some, pluralize
from reconciler.model import Json
from reconciler.model.content import Damage, VerifiedContent
from reconciler.render.sanitize import sanitize_line

_MAX_DAMAGES = 10  # of one content
_PLACES = "azureml://datastores/"  # the owner of a file of a datastore of every workspace
_PUT_CURE = "write files of a datastore again with `mlgit data put --overwrite`"
_CURE = "make the store available again as it was, or run `mlgit plan --refresh`: it says what can be made again"


def format_verification(verified: Sequence[VerifiedContent], *, deep: bool, of_one: bool = False) -> str:
    """Return a summary, and the damaged files of each content with whose it is; ``of_one`` version or run."""
    if not verified:
        what = "Nothing of it" if of_one else "Nothing that the live state or a datastore names"
        return f"{what} is in the store, so there is nothing to verify."
    damaged = [item for item in verified if item.damages]
    sizes = f"{pluralize(sum(item.content.files for item in verified), 'file')}, {_total_size(verified)}"
    read = "every byte was read" if deep else "what may have changed since it was stored was read"
    if not damaged:
        return f"Verified {pluralize(len(verified), 'content')}: {sizes}; {read}. All are as they were stored."
    lines = [f"Damaged: {len(damaged)} of {pluralize(len(verified), 'content')} ({sizes}; {read})."]
    for item in damaged:
        lines += ["", *_damage_lines(item)]
    has_places = any(owner.startswith(_PLACES) for item in damaged for owner in item.owners)
    cure = f"{_CURE}; {_PUT_CURE}" if has_places else _CURE
    return "\n".join([*lines, "", f"To repair: {cure}."])


def _damage_lines(item: VerifiedContent) -> Iterator[str]:
    yield sanitize_line(f"  {join_some(item.owners, separator='; ')} (sha256 {abbreviate_id(item.content.sha256)})")
    for damage in item.damages[:_MAX_DAMAGES]:
        yield sanitize_line(f"    {damage.file or 'the list of its files'}: {_state(damage)}: {damage.location}")
    if len(item.damages) > _MAX_DAMAGES:
        yield f"    and {pluralize(len(item.damages) - _MAX_DAMAGES, 'other file')}"


def verification_to_json(verified: Sequence[VerifiedContent], *, deep: bool) -> Json:
    """Return all that was verified as one document."""
    return {
        "deep": deep,
        "contents": len(verified),
        "files": sum(item.content.files for item in verified),
        "size": sum(item.content.size for item in verified),
        "damaged": [
            {
                "owners": list(item.owners),
                **item.content.to_json(),
                "damages": [
                    {"file": damage.file, "location": damage.location, "state": _state(damage)}
                    for damage in item.damages
                ],
            }
            for item in verified
            if item.damages
        ],
    }


def _total_size(verified: Sequence[VerifiedContent]) -> str:
    return format_size(sum(item.content.size for item in verified))


def _state(damage: Damage) -> str:
    return "missing" if damage.is_missing else "changed"

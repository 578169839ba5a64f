"""The error of a file that cannot be downloaded, without the library that downloads."""

from __future__ import annotations


class WebError(Exception):
    """A file cannot be downloaded: why, and what the user can do.

    One that ``is_interrupted`` may come another time; of one that ``is_missing`` the server says that there is none.
    If it ``is_unreachable``, no server has answered.
    """

    def __init__(
        self,
        message: str,
        hint: str,
        *,
        is_interrupted: bool = False,
        is_missing: bool = False,
        is_unreachable: bool = False,
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.is_interrupted = is_interrupted
        self.is_missing = is_missing
        self.is_unreachable = is_unreachable

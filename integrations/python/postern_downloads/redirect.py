"""A permanent address of a file: it checks the user at each click, and redirects to a fresh link.

flask.py and fastapi.py make views of it.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import quote

from .client import Postern, PosternError
from .names import Mount, is_filename
from .signer import Signer
from .types import TokenRequest

User: TypeAlias = str | int | None
Answer: TypeAlias = tuple[int, dict[str, str]]

# Everyone who has the link can open the file, so no cache and no other site may get it.
HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
NOT_FOUND = 404, HEADERS


class FileRedirect:
    def __init__(
        self, tokens: Postern | Signer, *, mount: str, login: str | None = None, download: bool = False,
        filename: Callable[[str], str] | None = None, expires_in: int = 600, **fields: Any
    ) -> None:
        """`login` is the URL of the login page, `filename` a function of the name, `fields` are those of the token."""
        if unknown := fields.keys() - TokenRequest.__annotations__.keys():
            raise TypeError(f"Postern: unknown option {', '.join(sorted(unknown))}")
        self._make: Callable[..., Any] = tokens.sign if isinstance(tokens, Signer) else tokens.issue
        self.mount, self._login, self._filename = Mount(mount), login, filename
        self._fields = {"expires_in": expires_in, **({"disposition": "attachment"} if download else {}), **fields}

    def denial(self, may: object, user: User, address: str) -> Answer | None:
        """The answer to a user who may not read the file. None if `may` is True."""
        # Postern logs the subject. The text of another object could contain a password.
        if not isinstance(user, User):
            raise TypeError(f"user: expected the ID of the user or None, got {type(user).__name__}")
        if is_permission(may):
            return None
        if user is not None or self._login is None:
            return NOT_FOUND
        return 303, {**HEADERS, "Location": f"{self._login}{'&' if '?' in self._login else '?'}next={quote(address)}"}

    def link(self, user: User, name: str) -> Answer:
        """The redirect to a new link."""
        subject = {} if user is None else {"subject": str(user)}
        fields: dict[str, Any] = {"path": self.mount.path(name), **self._fields, **subject}
        if self._filename:
            text = self._filename(name)
            fields |= {"filename": text} if is_filename(text) else {"disposition": "attachment"}
        return 303, {**HEADERS, "Location": self.mount.absolute(self._make(**fields)["url"])}


def failure(error: PosternError) -> Answer:
    """The answer if Postern issues no token."""
    # It says which mounts exist.
    logging.getLogger(__name__).error("Postern issued no token: %s", error)
    if any(one["pointer"] == "#/path" for one in error.errors):
        return NOT_FOUND
    return 503, {**HEADERS, "Retry-After": "5"}


def is_permission(may: object) -> bool:
    """A coroutine, or an object that was not meant as an answer, must not open a file."""
    if not isinstance(may, bool):
        raise TypeError(f"may_read: expected True or False, got {type(may).__name__}")
    return may

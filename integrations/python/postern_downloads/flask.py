"""A view for Flask that checks the user at each click, and redirects to a fresh link."""

from collections.abc import Callable
from typing import Any

from flask import Response, abort, after_this_request, request

from .client import Postern, PosternError
from .redirect import HEADERS, NOT_FOUND, FileRedirect, User, failure
from .signer import Signer


def redirect_to_file(
    tokens: Postern | Signer, may_read: Callable[[Any, str], bool], *, user: Callable[[], User], **options: Any
) -> Callable[[str], Response]:
    """The view of `/files/<path:name>`. `user` returns the ID of the user, or None without a login."""
    files = FileRedirect(tokens, **options)

    def view(name: str) -> Response:
        # The application's page for 404 has the headers, too.
        after_this_request(lambda response: response.headers.update(HEADERS) or response)
        status, headers = NOT_FOUND
        # A rule that allows a/../b must not open b.
        if files.mount.path(name):
            who = user()
            denial = files.denial(may_read(who, name), who, request.script_root + request.path)
            try:
                status, headers = denial or files.link(who, name)
            except PosternError as error:
                status, headers = failure(error)
        return abort(404) if status == 404 else Response(status=status, headers=headers)

    return view

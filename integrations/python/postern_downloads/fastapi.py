"""An endpoint for FastAPI that checks the user at each click, and redirects to a fresh link."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

from fastapi import Depends, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from .client import Postern, PosternError
from .redirect import NOT_FOUND, FileRedirect, failure
from .signer import Signer

MayRead = Callable[[Any, str], bool | Awaitable[bool]]


def redirect_to_file(
    tokens: Postern | Signer, may_read: MayRead, *, user: Callable[..., Any], **options: Any
) -> Callable[..., Awaitable[Response]]:
    """The endpoint of `/files/{name:path}`. `user` is a dependency: the ID of the user, or None without a login."""
    files = FileRedirect(tokens, **options)
    # While Postern hangs, nothing else waits for a thread.
    in_thread: Any = tokens.to_thread if isinstance(tokens, Postern) else run_in_threadpool

    async def redirect(request: Request, name: str, who: Any = Depends(user)) -> Response:
        status, headers = NOT_FOUND
        # A rule that allows a/../b must not open b.
        if files.mount.path(name):
            may = await run_in_threadpool(may_read, who, name)
            denial = files.denial(await may if isawaitable(may) else may, who, request.scope["path"])
            try:
                status, headers = denial or await in_thread(files.link, who, name)
            except PosternError as error:
                status, headers = failure(error)
        if status == 404:
            raise HTTPException(status, headers=headers)
        return Response(status_code=status, headers=headers)

    return redirect

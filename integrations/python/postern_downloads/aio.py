"""The API for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar, Unpack

from .client import Postern, PosternError
from .types import IssuedToken, Revoked, State, TokenRequest

P = ParamSpec("P")
T = TypeVar("T")


class AsyncPostern:
    """The API for asyncio, with the methods of Postern.

    Its threads are its own. While Postern hangs, nothing else in the program waits for a thread, and no call takes
    longer than `timeout`.
    """

    def __init__(
        self,
        url: str,
        key: str | Callable[[], str],
        *,
        timeout: float = 10,
        retries: int = 2,
        threads: int = 32,
    ) -> None:
        self._postern = Postern(url, key, timeout=timeout, retries=retries)
        del key
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="postern")

    async def issue(self, **request: Unpack[TokenRequest]) -> IssuedToken:
        return await self._call(self._postern.issue, **request)

    async def issue_many(self, requests: Iterable[TokenRequest]) -> Sequence[IssuedToken]:
        return await self._call(self._postern.issue_many, [*requests])

    async def show(self, id: str) -> State:
        return await self._call(self._postern.show, id)

    async def list(self, **query: str | int) -> State:
        return await self._call(self._postern.list, **query)

    async def prolong(self, id: str, expires_in: int) -> State:
        return await self._call(self._postern.prolong, id, expires_in)

    async def revoke(self, id: str) -> bool:
        return await self._call(self._postern.revoke, id)

    async def revoke_token(self, token: str) -> None:
        await self._call(self._postern.revoke_token, token)

    async def revoke_signed(self, *, iss: str, jti: str) -> None:
        await self._call(self._postern.revoke_signed, iss=iss, jti=jti)

    async def revoke_subject(self, subject: str, *, client: str | None = None) -> Revoked:
        return await self._call(self._postern.revoke_subject, subject, client=client)

    async def revoke_client(self, client: str) -> Revoked:
        return await self._call(self._postern.revoke_client, client)

    async def introspect(self, token: str) -> State:
        return await self._call(self._postern.introspect, token)

    async def _call(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        done = self._threads.submit(call, *args, **kwargs)
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.wrap_future(done)
        except TimeoutError:
            # All threads were busy, or this one has not noticed yet that its time is over.
            detail = f"no response within {self._timeout} s"
        raise PosternError("timeout", detail=detail)

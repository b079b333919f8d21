"""The API of Postern, with Python's standard library."""

import asyncio
import json
import os
import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from http.client import HTTPConnection, HTTPSConnection
from multiprocessing.connection import wait
from typing import Any, ParamSpec, TypeVar, Unpack, cast
from urllib.parse import urlencode, urlsplit

from .types import IssuedToken, Revoked, State, TokenRequest

P = ParamSpec("P")
T = TypeVar("T")

# Of POST /tokens/batch.
MAX_BATCH = 100
MAX_BATCH_BYTES = 128 << 10

# Postern closes a connection that is idle for longer.
KEEP_SECONDS = 2


class PosternError(Exception):
    """A call failed. Test for `code`: the texts can change. It has neither the key nor a token."""

    def __init__(self, code: str, status: int | None = None, detail: str = "") -> None:
        super().__init__(f"{code if status is None else f'{code} ({status})'}: {detail}")
        self.code, self.status, self.detail = code, status, detail
        # The invalid fields, with `pointer` and `detail`.
        self.errors: list[dict[str, str]] = []
        self.retry_after: int | None = None
        self.request_id: str | None = None


class Postern:
    """The API. Threads and forked processes can share a client, which keeps its connections."""

    def __init__(
        self, url: str, key: str | Callable[[], str], *, timeout: float = 10, retries: int = 2, threads: int = 32
    ) -> None:
        self._key, self._timeout, self._retries = key, timeout, retries
        # Error pages and trackers show local variables, so none may have the key.
        del key
        if isinstance(self._key, str):
            self._authorization()
        # The message does not contain the URL, which may contain a password.
        if not re.fullmatch(r"https?://([^\s/?#@:]+|\[[\da-fA-F:.]+\])(:\d{1,5})?(/[^\s?#]*)?", url):
            raise ValueError("url: expected the URL of the API, such as http://127.0.0.1:7301")
        self._url = urlsplit(url)
        # By process: a forked one has none of the threads of its parent.
        self._threads = defaultdict[int, ThreadPoolExecutor](lambda: ThreadPoolExecutor(threads, "postern"))
        # Connections, with their process, and until when to use them.
        self._idle: list[tuple[HTTPConnection, int, float]] = []

    def issue(self, **request: Unpack[TokenRequest]) -> IssuedToken:
        """Issues a token. Give its `url` to the user."""
        return cast(IssuedToken, self._send("POST", "/tokens", request, has="url"))

    def issue_many(self, requests: Iterable[TokenRequest]) -> Sequence[IssuedToken]:
        """Issues tokens, in the same order. It sends batches of up to 100, and each returns all or none."""
        batch = [*requests]
        if len(batch) > 1 and (len(batch) > MAX_BATCH or len(json.dumps(batch)) > MAX_BATCH_BYTES):
            half = len(batch) // 2
            return [*self.issue_many(batch[:half]), *self.issue_many(batch[half:])]
        return cast(Sequence[IssuedToken], self._send("POST", "/tokens/batch", batch, has=len(batch)) if batch else [])

    def show(self, id: str) -> State:
        """The state of a live token."""
        return self._send("GET", _path(id), has="id")

    def list(self, **query: str | int | None) -> State:
        """A page of live tokens, by `subject`, `path`, `client`, `limit` and `cursor`."""
        return self._send("GET", f"/tokens?{_form(**query)}", has="tokens")

    def prolong(self, id: str, expires_in: int) -> State:
        """Changes the end of a live token to `expires_in` seconds from now."""
        return self._send("PATCH", _path(id), {"expires_in": expires_in}, has="id")

    def revoke(self, id: str) -> bool:
        """Revokes a token by its ID. False: this client has no live token with this ID."""
        try:
            self._send("DELETE", _path(id))
        except PosternError as error:
            if error.code != "not_found":
                raise
            return False
        return True

    def revoke_token(self, token: str) -> None:
        """Revokes a token by its text. Succeeds also without such a token."""
        self._send("POST", "/revoke", _form(token=token))

    def revoke_signed(self, *, iss: str, jti: str, exp: int | None = None) -> None:
        """Revokes a token that your own back end signed. Without its `exp`, the revocation never expires."""
        self._send("POST", "/revoke", _form(iss=iss, jti=jti, exp=exp))

    def revoke_subject(self, subject: str, *, client: str | None = None) -> Revoked:
        """Revokes all live tokens of a subject. Signed ones end if their `iat` is before `signed_before`."""
        # Without a subject, this would revoke all tokens of the client.
        query = _form(subject=str(subject), client=client)
        return cast(Revoked, self._send("DELETE", f"/tokens?{query}", has="revoked"))

    def revoke_client(self, client: str) -> Revoked:
        """Revokes all live tokens of a client."""
        return cast(Revoked, self._send("DELETE", f"/tokens?{_form(client=client)}", has="revoked"))

    def introspect(self, token: str) -> State:
        """The state of a token. Tokens of other clients are inactive."""
        return self._send("POST", "/introspect", _form(token=token), has="active")

    async def to_thread(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As asyncio.to_thread(), in threads of this client: while Postern hangs, nothing else waits for a thread."""
        # A local variable with the context would show all of its variables in an error page.
        run = copy_context().run
        done = self._threads[os.getpid()].submit(lambda: run(method, *args, **kwargs))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(done), self._timeout)
        except TimeoutError:
            # All threads were busy, or this one has not noticed yet that its time is over.
            raise PosternError("timeout", detail=f"no response within {self._timeout} s") from None

    def _send(self, method: str, path: str, body: Any = None, *, has: str | int | None = None) -> State:
        """Sends JSON, or a form. The answer must have the member `has`, or as many elements."""
        is_form = isinstance(body, str)
        media = f"application/{'x-www-form-urlencoded' if is_form else 'json'}"
        data = body if is_form or body is None else json.dumps(body)
        # Sending these twice has the effect of sending them once.
        retries = self._retries if is_form or method in ("GET", "DELETE") else 0
        end = time.monotonic() + self._timeout
        while True:
            try:
                return _answer(self._exchange(method, path, data, media, end), has)
            except PosternError as error:
                pause = error.retry_after or random.uniform(0.1, 0.4)
                is_temporary = error.code == "unreachable" or error.status in (502, 503, 504)
                if not retries or not is_temporary or time.monotonic() + pause >= end:
                    raise
            retries -= 1
            time.sleep(pause)

    def _exchange(self, method: str, path: str, data: str | None, media: str, end: float) -> Any:
        """Returns status, headers and body, or an error, because an exception from here would show the headers."""
        connection = self._connection(max(end - time.monotonic(), 0.001))
        headers = {"Authorization": self._authorization(), "Content-Type": media}
        try:
            # It follows no redirect and uses no proxy, so that no other server gets the key.
            connection.request(method, self._url.path.rstrip("/") + path, data, headers)
            response = connection.getresponse()
            text = response.read()
        except Exception as error:
            connection.close()
            if isinstance(error, TimeoutError):
                return PosternError("timeout", detail=f"no response within {self._timeout} s")
            # The text of other errors can quote what the server has sent.
            reason = str(error) if isinstance(error, OSError) else type(error).__name__
            return PosternError("unreachable", detail=f"{connection.host} does not answer: {reason}")
        if connection.sock is not None:
            self._idle.append((connection, os.getpid(), time.monotonic() + KEEP_SECONDS))
        return response.status, response.headers, text

    def _connection(self, timeout: float) -> HTTPConnection:
        """An idle connection, or a new one: in a forked process, and after the server has closed it."""
        with suppress(IndexError):
            while True:
                connection, pid, end = self._idle.pop()
                if pid == os.getpid() and time.monotonic() < end and not wait([connection.sock], 0):
                    connection.sock.settimeout(timeout)
                    return connection
                connection.close()
        connect = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        return connect(self._url.netloc, timeout=timeout)

    def _authorization(self) -> str:
        key = self._key() if callable(self._key) else self._key
        # Each key and each JWT has only these characters.
        if re.fullmatch(r"[\x21-\x7e]+", key):
            return f"Bearer {key}"
        del key
        raise ValueError("key: expected an API key, one line of ASCII without spaces")


def _answer(response: Any, has: str | int | None) -> State:
    if isinstance(response, PosternError):
        raise response
    status, headers, text = response
    # Another server can send HTML, and any JSON.
    with suppress(AttributeError, LookupError, TypeError, ValueError):
        body: State = json.loads(text or "{}")
        is_expected = has in body if isinstance(body, dict) else len(body) == has
        if status < 300 and (has is None or is_expected):
            return body
        if status >= 400:
            errors = body.get("errors", [])
            texts = [body.get("detail", ""), *(f"{one['pointer']} {one['detail']}" for one in errors)]
            error = PosternError(body["code"], status, "\n  ".join(texts))
            error.errors, error.request_id = errors, headers.get("X-Request-ID")
            if re.fullmatch(r"\d{1,6}", headers.get("Retry-After", "")):
                error.retry_after = int(headers["Retry-After"])
            raise error
    detail = "the response is not from Postern's API: use the address of POSTERN_API_LISTEN"
    raise PosternError("unexpected_response", status, detail)


def _form(**fields: str | int | None) -> str:
    """A field that is None is not sent, because it would be the text "None"."""
    return urlencode({name: value for name, value in fields.items() if value is not None})


def _path(id: str) -> str:
    """An ID from a user must not name another endpoint, as `..` would. No token has the ID `-`."""
    return f"/tokens/{id if re.fullmatch('[A-Za-z0-9_-]+', id) else '-'}"

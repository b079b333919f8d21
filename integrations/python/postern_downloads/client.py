"""The API of Postern, with Python's standard library."""

from __future__ import annotations

import json
import os
import random
import re
import selectors
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from itertools import count
from typing import Any, Unpack, cast
from urllib.parse import urlencode, urlsplit

from .types import IssuedToken, Revoked, State, TokenRequest

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


class _Kept:
    """A connection that a thread keeps. It is closed with its thread."""

    def __init__(self, connection: HTTPConnection) -> None:
        self.connection, self.pid, self.used = connection, os.getpid(), 0.0

    def __del__(self) -> None:
        self.connection.close()

    def is_usable(self) -> bool:
        """Not in a forked process, nor if the server has closed the connection."""
        if self.pid != os.getpid() or time.monotonic() - self.used > KEEP_SECONDS:
            return False
        with selectors.DefaultSelector() as selector:
            sock = self.connection.sock
            return bool(sock and selector.register(sock, selectors.EVENT_READ)) and not selector.select(0)


class Postern:
    """The API. Each thread keeps a connection, so threads and forked processes can share a client."""

    def __init__(
        self, url: str, key: str | Callable[[], str], *, timeout: float = 10, retries: int = 2
    ) -> None:
        self._key = key
        # Error pages and trackers show local variables, so none may have the key.
        del key
        if isinstance(self._key, str):
            self._authorization()
        parts = urlsplit(url)
        is_complete = parts.scheme in ("http", "https") and parts.hostname
        # The message does not contain the URL, which may contain a password.
        if not is_complete or "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("url: expected the URL of the API, such as http://127.0.0.1:7301")
        self._connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port = parts.hostname or "", parts.port
        self._base, self._timeout, self._retries = parts.path.rstrip("/"), timeout, retries
        self._kept = threading.local()

    def issue(self, **request: Unpack[TokenRequest]) -> IssuedToken:
        """Issues a token. Give its `url` to the user."""
        return cast(IssuedToken, self._ask("url", "POST", "/tokens", request))

    def issue_many(self, requests: Iterable[TokenRequest]) -> Sequence[IssuedToken]:
        """Issues tokens, in the same order. It sends batches of up to 100, each of them all or none."""
        issued: Sequence[IssuedToken] = []
        for batch in _batches(requests):
            answer = self._send("POST", "/tokens/batch", batch)
            if not isinstance(answer, list) or len(answer) != len(batch):
                raise _unexpected(201)
            issued = [*issued, *answer]
        return issued

    def show(self, id: str) -> State:
        """The state of a live token."""
        return self._ask("id", "GET", _path(id))

    def list(self, **query: str | int) -> State:
        """A page of live tokens, by `subject`, `path`, `client`, `limit` and `cursor`."""
        return self._ask("tokens", "GET", f"/tokens?{_form(query)}")

    def prolong(self, id: str, expires_in: int) -> State:
        """Changes the end of a live token to `expires_in` seconds from now."""
        return self._ask("id", "PATCH", _path(id), {"expires_in": expires_in})

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
        self._send("POST", "/revoke", _form({"token": token}))

    def revoke_signed(self, *, iss: str, jti: str) -> None:
        """Revokes a token that your own back end signed."""
        self._send("POST", "/revoke", _form({"iss": iss, "jti": jti}))

    def revoke_subject(self, subject: str, *, client: str | None = None) -> Revoked:
        """Revokes all live tokens of a subject. Signed ones end if their `iat` is before `signed_before`."""
        return self._revoke_all(subject=str(subject), client=client)

    def revoke_client(self, client: str) -> Revoked:
        """Revokes all live tokens of a client."""
        return self._revoke_all(client=str(client))

    def _revoke_all(self, **query: str | None) -> Revoked:
        return cast(Revoked, self._ask("revoked", "DELETE", f"/tokens?{_form(query)}"))

    def introspect(self, token: str) -> State:
        """The state of a token. Tokens of other clients are inactive."""
        return self._ask("active", "POST", "/introspect", _form({"token": token}))

    def _ask(self, member: str, method: str, path: str, body: Any = None) -> State:
        answer = self._send(method, path, body)
        # The response of another server can be any JSON.
        if not isinstance(answer, dict) or member not in answer:
            raise _unexpected(200)
        return answer

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        is_form = isinstance(body, str)
        media = f"application/{'x-www-form-urlencoded' if is_form else 'json'}"
        data = None if body is None else (body if is_form else json.dumps(body)).encode()
        # Sending these twice has the effect of sending them once.
        retries = self._retries if is_form or method in ("GET", "DELETE") else 0
        end = time.monotonic() + self._timeout
        for retry in count():
            answer = self._attempt(method, path, data, media, end)
            if not isinstance(answer, PosternError):
                return answer
            pause = answer.retry_after or 0.2 * 2**retry * random.uniform(0.5, 1)
            is_temporary = answer.code == "unreachable" or answer.status in (502, 503, 504)
            if retry == retries or not is_temporary or time.monotonic() + pause >= end:
                raise answer
            time.sleep(pause)

    def _attempt(self, method: str, path: str, data: bytes | None, media: str, end: float) -> Any:
        """Returns the JSON, or the error: if it were raised here, it would show the headers."""
        headers = {"Accept": "application/json", "Authorization": self._authorization()}
        if data is not None:
            headers["Content-Type"] = media
        kept = self._connection()
        connection, left = kept.connection, max(end - time.monotonic(), 0.001)
        connection.timeout = left
        if connection.sock is not None:
            connection.sock.settimeout(left)
        is_whole = False
        try:
            # It follows no redirect and uses no proxy, so that no other server gets the key.
            connection.request(method, self._base + path, data, headers)
            with connection.getresponse() as response:
                # Another server could send without end. The longest page of tokens is shorter.
                answer = _answer(response, response.read(32 << 20))
                is_whole = response.isclosed()
            return answer
        except TimeoutError:
            return PosternError("timeout", detail=f"no response within {self._timeout} s")
        except Exception as error:
            # The text of other errors can quote what the server has sent.
            reason = str(error) if isinstance(error, OSError) else type(error).__name__
            return PosternError("unreachable", detail=f"{self._host} does not answer: {reason}")
        finally:
            if not is_whole:
                connection.close()
            kept.used = time.monotonic()

    def _connection(self) -> _Kept:
        kept: _Kept | None = getattr(self._kept, "value", None)
        if kept is None or not kept.is_usable():
            kept = self._kept.value = _Kept(self._connect(self._host, self._port))
        return kept

    def _authorization(self) -> str:
        key = self._key() if callable(self._key) else self._key
        # Each key and each JWT has only these characters.
        if re.fullmatch(r"[\x21-\x7e]+", key):
            return f"Bearer {key}"
        del key
        raise ValueError("key: expected an API key, one line of ASCII without spaces")


def _answer(response: HTTPResponse, text: bytes) -> Any:
    status, ok = response.status, 200 <= response.status < 300
    try:
        body = json.loads(text) if text else None
    except ValueError:
        return _unexpected(status)
    if ok and (text == b"" or isinstance(body, (dict, list))):
        return body
    if ok or not isinstance(body, dict) or not isinstance(body.get("code"), str):
        return _unexpected(status)
    errors = body.get("errors", [])
    texts = [body.get("detail", ""), *(f"{one['pointer']} {one['detail']}" for one in errors)]
    error = PosternError(body["code"], status, "\n  ".join(texts))
    error.errors = errors
    seconds = response.headers.get("Retry-After", "")
    error.retry_after = int(seconds) if re.fullmatch(r"[0-9]{1,6}", seconds) else None
    error.request_id = response.headers.get("X-Request-ID")
    return error


def _unexpected(status: int) -> PosternError:
    detail = "the response is not from Postern's API: use the address of POSTERN_API_LISTEN"
    return PosternError("unexpected_response", status, detail)


def _batches(requests: Iterable[TokenRequest]) -> Iterator[list[TokenRequest]]:
    batch: list[TokenRequest] = []
    size = 0
    for request in requests:
        length = len(json.dumps(request)) + 2
        if batch and (len(batch) == MAX_BATCH or size + length > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(request)
        size += length
    if batch:
        yield batch


def _form(fields: Mapping[str, Any]) -> str:
    return urlencode({name: value for name, value in fields.items() if value is not None})


def _path(id: str) -> str:
    """An ID from a user must not name another endpoint, as `..` would. No token has the ID `-`."""
    return f"/tokens/{id if re.fullmatch('[A-Za-z0-9_-]+', id) else '-'}"

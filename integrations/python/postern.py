"""Calls the API of Postern, and signs download tokens. Only Signer needs a package: PyJWT."""

from __future__ import annotations

import json
import random
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from itertools import count
from os import PathLike
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict, Unpack, cast
from urllib.parse import quote, urlencode, urlsplit

try:
    import cryptography  # noqa: F401  PyJWT needs it for these keys
    import jwt
except ImportError:
    jwt = None  # type: ignore[assignment]


class SignRequest(TypedDict, total=False):
    """The fields of a signed token. It needs `expires_in`, and `path` or `prefix`."""

    path: str
    prefix: str
    site: str
    expires_in: int
    subject: str
    target: str
    max_uses: int
    resume_for: int
    bind: Literal["any", "cookie"]
    confirm: bool
    ip: list[str]
    filename: str
    disposition: Literal["attachment", "inline"]
    limit_rate: int
    cookie: bool
    listing: bool
    index: bool


class TokenRequest(SignRequest, total=False):
    """The fields of POST /tokens. It needs `path` or `prefix`."""

    not_before: int
    target_args: str
    pin: str
    max_bytes: int
    format: Literal["opaque", "jwt"]
    revocable: bool


class IssuedToken(TypedDict):
    access_token: str
    token_type: str
    expires_in: int
    id: str
    url: str
    cookie_url: NotRequired[str]


class SignedToken(TypedDict):
    access_token: str
    jti: str
    url: NotRequired[str]  # absent for a prefix


State: TypeAlias = dict[str, Any]


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
    """The API. Each call opens a connection, so threads and forked processes can share a client."""

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

    def issue(self, **request: Unpack[TokenRequest]) -> IssuedToken:
        """Issues a token. Give its `url` to the user."""
        return cast(IssuedToken, self._ask("url", "POST", "/tokens", request))

    def issue_many(self, requests: Iterable[TokenRequest]) -> Sequence[IssuedToken]:
        """Issues up to 1000 tokens, all or none, in the same order."""
        wanted = [*requests]
        issued = self._send("POST", "/tokens/batch", wanted)
        if not isinstance(issued, list) or len(issued) != len(wanted):
            raise _unexpected(201)
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

    def revoke_subject(self, subject: str, *, client: str | None = None) -> int:
        """Revokes all live tokens of a subject. Returns their number."""
        query = _form({"subject": str(subject), "client": client})
        return int(self._ask("revoked", "DELETE", f"/tokens?{query}")["revoked"])

    def revoke_client(self, client: str) -> int:
        """Revokes all live tokens of a client. Returns their number."""
        query = _form({"client": str(client)})
        return int(self._ask("revoked", "DELETE", f"/tokens?{query}")["revoked"])

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
        left = max(end - time.monotonic(), 0.001)
        try:
            # It follows no redirect and uses no proxy, so that no other server gets the key.
            with closing(self._connect(self._host, self._port, timeout=left)) as connection:
                connection.request(method, self._base + path, data, headers)
                response = connection.getresponse()
                # Another server could send without end. The longest page of tokens is shorter.
                return _answer(response, response.read(32 << 20))
        except TimeoutError:
            return PosternError("timeout", detail=f"no response within {self._timeout} s")
        except Exception as error:
            # The text of other errors can quote what the server has sent.
            reason = str(error) if isinstance(error, OSError) else type(error).__name__
            return PosternError("unreachable", detail=f"{self._host} does not answer: {reason}")

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


def _form(fields: Mapping[str, Any]) -> str:
    return urlencode({name: value for name, value in fields.items() if value is not None})


def _path(id: str) -> str:
    """An ID from a user must not name another endpoint, as `..` would. No token has the ID `-`."""
    return f"/tokens/{id if re.fullmatch('[A-Za-z0-9_-]+', id) else '-'}"


class Signer:
    """Signs tokens without a request to Postern, which must trust this issuer for downloads."""

    def __init__(
        self, key_file: str | PathLike[str], *, issuer: str, audience: str, kid: str | None = None
    ) -> None:
        """Reads a file of `postern key generate`. The first key signs, or that with this `kid`."""
        if jwt is None:
            raise ImportError('signing needs PyJWT: pip install "PyJWT[crypto]"')
        key = _private_key(key_file, kid)
        if key is None:
            which = f"the key {kid}" if kid else "a key with kid"
            raise ValueError(f"{key_file}: expected {which}, private and for EdDSA, ES256 or RS256")
        kid, self._algorithm, self._key = key
        self._header = {"kid": kid, "typ": "postern+jwt"}
        self._claims = {"iss": issuer, "aud": audience}

    def sign(self, **request: Unpack[SignRequest]) -> SignedToken:
        """Signs a token. Postern first sees it when a client uses it."""
        fields: dict[str, Any] = {**request}
        if unknown := fields.keys() - SignRequest.__annotations__.keys():
            raise TypeError(f"a signed token cannot have {', '.join(sorted(unknown))}")
        expires_in = fields.pop("expires_in", None)
        if not isinstance(expires_in, int) or expires_in < 1:
            raise TypeError("expires_in: expected a number of seconds")
        now, jti, resume_for = int(time.time()), str(uuid.uuid4()), fields.get("resume_for", 0)
        if resume_for:
            # Until when a new requester can start. The others can resume until `exp`.
            fields["start_by"] = now + expires_in
        if "subject" in fields:
            fields["sub"] = fields.pop("subject")
        end = now + expires_in + resume_for
        claims = {**fields, **self._claims, "jti": jti, "iat": now, "exp": end}
        token = jwt.encode(claims, self._key, self._algorithm, self._header)
        if "path" not in fields:
            return {"access_token": token, "jti": jti}
        url = f"{quote(fields['path'])}?token={token}"
        return {"access_token": token, "jti": jti, "url": url}


def _private_key(file: str | PathLike[str], kid: str | None) -> tuple[str, str, Any] | None:
    """None if it cannot sign: an error from here would show the key in its local variables."""
    with open(file, encoding="utf-8") as text:
        try:
            jwk = next(one for one in json.load(text)["keys"] if kid in (None, one["kid"]))
            if jwk["kid"] and "d" in jwk and jwk["alg"] in ("EdDSA", "ES256", "RS256"):
                return jwk["kid"], jwk["alg"], jwt.PyJWK.from_dict(jwk).key
        except Exception:
            pass
    return None

"""The fields of requests and responses."""

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict


class SignRequest(TypedDict, total=False):
    """The fields of a signed token. It needs `path` or `prefix`."""

    path: str
    prefix: str
    site: str
    subject: str
    target: str
    max_uses: int
    resume_for: int
    bind: Literal["any", "cookie"]
    confirm: bool
    ip: list[str]
    filename: str
    disposition: Literal["attachment", "inline"]
    size: int
    sender: str
    limit_rate: int
    cookie: bool
    listing: bool
    index: bool


class TokenRequest(SignRequest, total=False):
    """The fields of POST /tokens. It needs `path` or `prefix`."""

    expires_in: int
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
    jti: str  # with `iss` and `exp`, it revokes the token
    exp: int
    url: NotRequired[str]  # only for a `path`


class Revoked(TypedDict):
    revoked: int  # without those that issuers signed
    signed_before: NotRequired[int]  # signed tokens end that have an `iat` before it


State: TypeAlias = dict[str, Any]

"""Signs tokens, with PyJWT."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
import uuid
from contextlib import suppress
from typing import Any, NamedTuple, Unpack
from urllib.parse import quote

from .types import SignedToken, SignRequest

try:
    import cryptography  # noqa: F401  PyJWT needs it for these keys
    import jwt
except ImportError:
    jwt = None  # type: ignore[assignment]

# A revocation reaches so many seconds into the future: the longest POSTERN_JWT_LEEWAY, and two roundings.
REVOKED_AHEAD = 62


class _Key(NamedTuple):
    kid: str
    algorithm: str
    private: Any
    secret: bytes  # for names of tokens that nobody else can compute


class Signer:
    """Signs tokens without a request to Postern, which must trust this issuer for downloads."""

    def __init__(
        self, key_file: str | os.PathLike[str], *, issuer: str, audience: str, kid: str | None = None
    ) -> None:
        """Reads a file of `postern key generate`. The first key signs, or that with this `kid`."""
        if jwt is None:
            raise ImportError('signing needs PyJWT: pip install "PyJWT[crypto]"')
        self._file, self._kid = key_file, kid
        self._changed = _change_of(key_file)
        key = _private_key(key_file, kid)
        if key is None:
            which = f"the key {kid}" if kid else "a key with kid"
            raise ValueError(f"{key_file}: expected {which}, private and for EdDSA, ES256 or RS256")
        self._key = key
        self._claims = {"iss": issuer, "aud": audience}

    @property
    def is_repeatable(self) -> bool:
        """Whether the key signs the same claims with the same signature, so that links can stay equal."""
        return self._current().algorithm != "ES256"

    def sign(
        self, *, cache_for: int = 0, since: float = 0, **request: Unpack[SignRequest]
    ) -> SignedToken:
        """Signs a token. Postern first sees it when a client uses it.

        With `cache_for`, calls within so many seconds return the same token, and it is valid for up to so many
        seconds longer. `since` is the last login of the subject: its new links do not repeat revoked ones.
        """
        fields: dict[str, Any] = {**request}
        if unknown := fields.keys() - SignRequest.__annotations__.keys():
            raise TypeError(f"a signed token cannot have {', '.join(sorted(unknown))}")
        expires_in = fields.pop("expires_in", None)
        if not isinstance(expires_in, int) or expires_in < 1:
            raise TypeError("expires_in: expected a number of seconds")
        if cache_for and not self.is_repeatable:
            raise ValueError("cache_for: expected a key for EdDSA or RS256: ES256 never repeats")
        key, now, resume_for = self._current(), int(time.time()), fields.get("resume_for", 0)
        start, end = now, now + expires_in + resume_for
        if resume_for:
            # Until when a new requester can start. The others can resume until `exp`.
            fields["start_by"] = now + expires_in
        if "subject" in fields:
            fields["sub"] = fields.pop("subject")
        first = int(since) + REVOKED_AHEAD if since else 0
        # Equal tokens would share their uses.
        is_counted = any(fields.get(name) for name in ("max_uses", "resume_for", "confirm"))
        is_cached = cache_for and not is_counted and now >= first
        if is_cached:
            bucket = now - now % cache_for
            start, end = max(bucket, first), bucket + cache_for + expires_in
        claims = {**fields, **self._claims, "iat": start, "exp": end}
        text = json.dumps(claims, sort_keys=True).encode()
        name = hmac.new(key.secret, text, hashlib.sha256).hexdigest()[:32]
        claims["jti"] = jti = name if is_cached else str(uuid.uuid4())
        header = {"kid": key.kid, "typ": "postern+jwt"}
        token = jwt.encode(dict(sorted(claims.items())), key.private, key.algorithm, header)
        if "path" not in fields:
            return {"access_token": token, "jti": jti}
        url = f"{quote(fields['path'])}?token={token}"
        return {"access_token": token, "jti": jti, "url": url}

    def _current(self) -> _Key:
        """Reads the key again if its file has changed. A file that is incomplete or missing changes nothing."""
        with suppress(OSError):
            changed = _change_of(self._file)
            if changed != self._changed:
                self._key = _private_key(self._file, self._kid) or self._key
                self._changed = changed
        return self._key


def _change_of(file: str | os.PathLike[str]) -> tuple[int, int]:
    state = os.stat(file)
    return state.st_mtime_ns, state.st_ino


def _private_key(file: str | os.PathLike[str], kid: str | None) -> _Key | None:
    """None if it cannot sign: an error from here would show the key in its local variables."""
    with open(file, encoding="utf-8") as text:
        try:
            jwk = next(one for one in json.load(text)["keys"] if kid in (None, one["kid"]))
            if jwk["kid"] and "d" in jwk and jwk["alg"] in ("EdDSA", "ES256", "RS256"):
                secret = hashlib.sha256(f"postern {jwk['d']}".encode()).digest()
                return _Key(jwk["kid"], jwk["alg"], jwt.PyJWK.from_dict(jwk).key, secret)
        except Exception:
            pass
    return None

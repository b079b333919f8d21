"""Signs tokens, with PyJWT."""

from __future__ import annotations

import hmac
import json
import os
import time
from contextlib import suppress
from typing import Any, Unpack
from urllib.parse import quote

from .types import SignRequest

try:
    import cryptography  # noqa: F401  PyJWT needs it for these keys
    import jwt
except ImportError:
    jwt = None  # type: ignore[assignment]

# A revocation reaches so many seconds into the future: the longest POSTERN_JWT_LEEWAY, and two roundings.
REVOKED_AHEAD = 62


class Signer:
    """Signs tokens without a request to Postern, which must trust this issuer for downloads."""

    def __init__(
        self, key_file: str | os.PathLike[str], *, issuer: str, audience: str, kid: str | None = None
    ) -> None:
        """Reads a file of `postern key generate`. The first key signs, or that with this `kid`."""
        if jwt is None:
            raise ImportError('signing needs PyJWT: pip install "PyJWT[crypto]"')
        self._file, self._kid, self._names = key_file, kid, {"iss": issuer, "aud": audience}
        self._version = 0
        self._key: tuple[dict[str, Any], Any] | None = None
        # A missing file, or one that this process may not read, is an error only at the start.
        open(key_file).close()
        self._current()

    def sign(
        self, *, expires_in: int, cache_for: int = 0, since: float = 0, **request: Unpack[SignRequest]
    ) -> dict[str, str]:
        """Signs a token, which Postern first sees when a client uses it. Returns `access_token`, `jti`, and for a path `url`.

        With `cache_for`, calls within so many seconds return the same token, and it is valid for up to so many
        seconds longer. `since` is the last login of the subject: its new links do not repeat revoked ones.
        """
        if unknown := request.keys() - SignRequest.__annotations__.keys():
            raise TypeError(f"a signed token cannot have {', '.join(sorted(unknown))}")
        claims: dict[str, Any] = {**request, **self._names}
        if not isinstance(expires_in, int) or expires_in < 1:
            raise TypeError("expires_in: expected a number of seconds")
        jwk, private = self._current()
        if cache_for and jwk["alg"] == "ES256":
            raise ValueError("cache_for: expected a key for EdDSA or RS256, because ES256 never repeats")
        now = int(time.time())
        claims |= {"iat": now, "exp": now + expires_in, "jti": os.urandom(16).hex()}
        if claims.get("resume_for"):
            # Until when a new requester can start. The others can resume until `exp`.
            claims["start_by"] = claims["exp"]
            claims["exp"] += claims["resume_for"]
        if "subject" in claims:
            claims["sub"] = claims.pop("subject")
        first = int(since) + REVOKED_AHEAD if since else 0
        # Equal tokens would share their uses.
        if cache_for and now >= first and not any(map(claims.get, ("max_uses", "resume_for", "confirm"))):
            start = now - now % cache_for
            claims |= {"iat": max(start, first), "exp": start + cache_for + expires_in, "jti": ""}
            # Nobody without the key can compute the name.
            text = json.dumps(claims, sort_keys=True).encode()
            claims["jti"] = hmac.digest(f"postern {jwk['d']}".encode(), text, "sha256").hex()[:32]
        token = jwt.encode(dict(sorted(claims.items())), private, jwk["alg"], {"kid": jwk["kid"], "typ": "postern+jwt"})
        url = {"url": f"{quote(claims['path'])}?token={token}"} if "path" in claims else {}
        return {"access_token": token, "jti": claims["jti"], **url}

    def _current(self) -> tuple[dict[str, Any], Any]:
        """Reads the key again if its file has changed. A file that is incomplete or missing changes nothing."""
        with suppress(OSError):
            version = os.stat(self._file).st_mtime_ns
            if version != self._version:
                self._key = _private_key(self._file, self._kid) or self._key
                self._version = version
        if self._key is None:
            kid = f"the kid {self._kid}" if self._kid else "a kid"
            raise ValueError(f"{self._file}: expected a private key for EdDSA, ES256 or RS256, with {kid}")
        return self._key


def _private_key(file: str | os.PathLike[str], kid: str | None) -> tuple[dict[str, Any], Any] | None:
    """The JWK, and what signs. None if it cannot: an error from here would show the key in its local variables."""
    with open(file, encoding="utf-8") as text, suppress(Exception):
        jwk = next(one for one in json.load(text)["keys"] if kid in (None, one["kid"]))
        if jwk["kid"] and "d" in jwk and jwk["alg"] in ("EdDSA", "ES256", "RS256"):
            return jwk, jwt.PyJWK.from_dict(jwk).key
    return None

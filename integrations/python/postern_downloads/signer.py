"""Signs tokens, with PyJWT."""

import hmac
import json
import os
import time
from contextlib import suppress
from typing import Any, TypeAlias, Unpack, cast
from urllib.parse import quote

from .types import SignedToken, SignRequest

# Only signing needs them.
with suppress(ImportError):
    import cryptography  # noqa: F401  PyJWT needs it for these keys
    import jwt

File: TypeAlias = str | os.PathLike[str]

# A revocation reaches so many seconds into the future: the longest POSTERN_JWT_LEEWAY, and two roundings.
REVOKED_AHEAD = 62


class Signer:
    """Signs tokens without a request to Postern, which must trust this issuer for downloads."""

    def __init__(self, key_file: File, *, issuer: str, audience: str, kid: str | None = None) -> None:
        """Reads a file of `postern key generate`. The first key signs, or that with this `kid`."""
        if "jwt" not in globals():
            raise ImportError('signing needs PyJWT: pip install "PyJWT[crypto]"')
        self._file, self._kid, self._names = key_file, kid, {"iss": issuer, "aud": audience}
        self._version: tuple[int, int] | None = None
        self._key: tuple[Any, ...] | None = None
        # A missing file, or one that this process may not read, is an error only at the start.
        open(key_file).close()
        self._current()

    def sign(
        self, *, expires_in: int, cache_for: int = 0, since: float = 0, **request: Unpack[SignRequest]
    ) -> SignedToken:
        """Signs a token, which Postern first sees when a client uses it.

        With `cache_for`, calls within so many seconds return the same token, and it is valid for up to so many
        seconds longer. `since` is the last login of the subject: its new links do not repeat revoked ones.
        """
        if unknown := request.keys() - SignRequest.__annotations__.keys():
            raise TypeError(f"a signed token cannot have {', '.join(sorted(unknown))}")
        claims: dict[str, Any] = {**request, **self._names}
        if not isinstance(expires_in, int) or expires_in < 1:
            raise TypeError("expires_in: expected a number of seconds")
        kid, alg, private, name = self._current()
        if cache_for and alg == "ES256":
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
            claims["jti"] = name(json.dumps(claims, sort_keys=True).encode())
        token = jwt.encode(dict(sorted(claims.items())), private, alg, {"kid": kid, "typ": "postern+jwt"})
        url = {"url": f"{quote(claims['path'])}?token={token}"} if "path" in claims else {}
        return cast(SignedToken, {"access_token": token, "jti": claims["jti"], "exp": claims["exp"], **url})

    def _current(self) -> tuple[Any, ...]:
        """Reads the key again if its file has changed. A file that is incomplete or missing changes nothing."""
        with suppress(OSError):
            stat = os.stat(self._file)
            version = stat.st_mtime_ns, stat.st_ino
            if version != self._version:
                self._key = _private_key(self._file, self._kid) or self._key
                self._version = version
        if self._key is None:
            raise ValueError(f"{self._file}: expected a private key (EdDSA, ES256, RS256), kid: {self._kid or 'any'}")
        return self._key


def _private_key(file: File, kid: str | None) -> tuple[Any, ...] | None:
    """The `kid`, the algorithm, what signs, and what names a token that repeats. None if the key cannot sign.

    Only here, local variables have the key, so this raises no error that would show them.
    """
    with open(file, encoding="utf-8") as text, suppress(Exception):
        jwk = next(one for one in json.load(text)["keys"] if kid in (None, one["kid"]))
        if jwk["kid"] and jwk["alg"] in ("EdDSA", "ES256", "RS256"):
            # Nobody without the key can compute the name.
            secret = f"postern {jwk['d']}".encode()
            private = jwt.PyJWK.from_dict(jwk).key
            return jwk["kid"], jwk["alg"], private, lambda data: hmac.digest(secret, data, "sha256").hex()[:32]
    return None

import logging
import posixpath
import re
from urllib.parse import quote

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage
from django.utils.functional import cached_property
from postern_downloads import Postern, Signer

from .subject import current_subject

# The fields of a token that a call of url() may set. The others say which file it opens.
PARAMETERS = frozenset(
    "bind confirm disposition filename ip limit_rate max_bytes max_uses "
    "not_before pin resume_for subject".split()
)

DEFAULTS = {"tokens": "signed", "audience": "urn:postern:download", "expire": 600, "cache_for": 0, "timeout": 5}

MAX_FILENAME_LENGTH = 255


class PosternUrls:
    """Goes before another storage, which keeps the files. A URL is a link that Postern allows for a short time."""

    def __init__(self, **given):
        # Libraries and migrations make a storage without options.
        options = {**DEFAULTS, **getattr(settings, "DJANGO_POSTERN", {}), **given}

        def take(*names):
            return {name: options.pop(name, None) for name in names}

        self.mount, self.tokens, self.expire, self.cache_for = take("mount", "tokens", "expire", "cache_for").values()
        self.filename, self._kid = take("filename", "kid").values()
        self._fields = take("site", "max_uses", "confirm")
        self.signing = take("key_file", "issuer", "audience")
        self._api = take("api", "api_key", "timeout")
        # A traceback of an unknown option shows local variables.
        del given
        super().__init__(**options)

    def deconstruct(self):
        """For a migration, which must not contain a key."""
        return f"{type(self).__module__}.{type(self).__qualname__}", (), {}

    def url(self, name, parameters=None, expire=None):
        """A link to the file. `parameters` are fields of the token, such as `filename`."""
        request = self._request(name, parameters, expire)
        if request is None:
            return self._closed(name)
        token = self._sign(request) if self.is_signed else self.client.issue(**request)
        return self._absolute(token["url"])

    def urls(self, names, parameters=None, expire=None):
        """As url(), for many files. 100 issued links cost one request."""
        if self.is_signed:
            return [self.url(name, parameters, expire) for name in names]
        requests = [self._request(name, parameters, expire) for name in names]
        tokens = iter(self.client.issue_many([request for request in requests if request]))
        return [
            self._absolute(next(tokens)["url"]) if request else self._closed(name)
            for name, request in zip(names, requests)
        ]

    @cached_property
    def is_signed(self):
        if self.tokens not in ("signed", "issued"):
            raise ImproperlyConfigured(f"tokens: expected signed or issued, got {self.tokens!r}")
        return self.tokens == "signed"

    @cached_property
    def signer(self):
        """Signs tokens with the key of this application."""
        if not all(self.signing.values()):
            raise ImproperlyConfigured("key_file, issuer: required to sign tokens")
        try:
            signer = Signer(**self.signing, kid=self._kid)
            # Reports a cache_for that this key cannot have.
            signer.sign(path="/", expires_in=1, cache_for=self.cache_for)
        except (OSError, ValueError, ImportError) as error:
            raise ImproperlyConfigured(f"key_file: {error}") from None
        return signer

    @cached_property
    def client(self):
        """The API of Postern, to issue and to revoke tokens."""
        api, key, timeout = self._api.values()
        try:
            return Postern(api or "", key or "", timeout=timeout)
        except ValueError as error:
            raise ImproperlyConfigured(f"api, api_key: {error}") from None

    @cached_property
    def place(self):
        """The origin and the public prefix of the mount."""
        match = re.fullmatch(r"(https?://[^/?#]+)?(/|/[^/].*/)", self.mount or "")
        if match is None:
            raise ImproperlyConfigured(
                "mount: expected the public prefix of a mount of Postern, such as /download/ "
                f"or https://files.example/download/, got {self.mount!r}"
            )
        if not getattr(self, "base_location", True):
            raise ImproperlyConfigured("location: required, because MEDIA_ROOT is not set")
        return match[1] or "", match[2]

    @property
    def mount_id(self):
        """As in `paths` of an issuer: with the site."""
        return ":".join(filter(None, (self._fields["site"], self.place[1])))

    def _request(self, name, parameters, expire):
        """The fields of the token; None if Postern would reject the name of the file."""
        fields = parameters or {}
        if unknown := fields.keys() - PARAMETERS:
            raise TypeError(f"url() has no parameter {', '.join(sorted(unknown))}")
        path = self._path(name)
        request = {
            "subject": current_subject()[0],
            "filename": path and self.filename and self.filename(name),
            **self._fields,
            **fields,
            "path": path,
            "expires_in": self.expire if expire is None else expire,
        }
        filename = request["filename"]
        # Postern rejects a token with another filename. It counts as JavaScript does.
        is_legal = filename is None or (
            re.fullmatch(r"[^/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]+", filename)
            and len(filename.encode("utf-16-le")) / 2 <= MAX_FILENAME_LENGTH
        )
        if not is_legal and "filename" in fields:
            expected = r"1 to 255 characters without / \ and control characters"
            raise ValueError(f"filename: expected {expected}, got {filename!r}")
        if not is_legal:
            # An exception would break a page with many other links. Browsers take the name from the URL.
            request = {"disposition": "attachment", **request, "filename": None}
        return path and {field: value for field, value in request.items() if value is not None}

    def _sign(self, request):
        user, login = current_subject()
        # After a logout that revokes, only the last login separates new links from revoked ones.
        is_cached = request.get("subject") == user and (user is None or login)
        cache_for = self.cache_for if is_cached else 0
        return self.signer.sign(**request, cache_for=cache_for, since=login or 0)

    def _path(self, name):
        """The public path of the file that the storage reads; None if Postern rejects its name."""
        # Older databases have names such as a//b, ./a and /a.
        name = posixpath.normpath(name.lstrip("/"))
        path = self.place[1] + name
        is_illegal = (
            name.split("/")[0] in (".", "..")
            or re.search(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]", name)
            or name.endswith(" ")
            or len(path.encode()) > 2048
        )
        return None if is_illegal else path

    def _closed(self, name):
        """A URL without a token, because an exception would break a page with many other links."""
        logging.getLogger(__name__).warning("Postern cannot serve a file with the name %r", name)
        # nginx would decode "..%2F", and leave the mount.
        return "".join(self.place) + quote(re.sub(r"[/.]+", "_", name), errors="replace")

    def _absolute(self, url):
        # With POSTERN_PUBLIC_URL, an issued URL is absolute already.
        return self.place[0] + url if url.startswith("/") else url


class PosternStorage(PosternUrls, FileSystemStorage):
    """Keeps files as FileSystemStorage does, with links of Postern."""

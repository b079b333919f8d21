import logging
import posixpath
import re
import time
from contextlib import contextmanager
from urllib.parse import quote
from weakref import WeakSet

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage
from django.utils.functional import cached_property
from postern_downloads import Postern, PosternError, Signer
from postern_downloads.names import Mount, is_filename

from .subject import current_subject

# The fields of a token that a call of url() may set. The others say which file it opens.
PARAMETERS = frozenset(
    "bind confirm disposition filename ip limit_rate max_bytes max_uses not_before pin resume_for sender size subject".split()
)

DEFAULTS = {"tokens": "signed", "audience": "urn:postern:download", "expire": 600, "cache_for": 0, "timeout": 5}

# Libraries and code make storages that STORAGES does not have.
made = WeakSet()


@contextmanager
def _option(names):
    try:
        yield
    except (TypeError, OSError, ValueError, ImportError) as error:
        raise ImproperlyConfigured(f"{names}: {error}") from None


class PosternUrls:
    """Goes before another storage, which keeps the files. A URL is a link that Postern allows for a short time."""

    def __init__(self, **given):
        # Libraries and migrations make a storage without options.
        options = {**DEFAULTS, **getattr(settings, "DJANGO_POSTERN", {}), **given}

        def take(*names):
            return {name: options.pop(name, None) for name in names}

        vars(self).update(take("mount", "tokens", "expire", "cache_for", "filename", "permanent", "closed_if_down"))
        self.fields = take("site", "max_uses", "confirm")
        self.signing, self._kid = take("key_file", "issuer", "audience"), take("kid")
        self._api, self._down_until = take("api", "api_key", "timeout"), 0
        # A traceback of an unknown option shows local variables.
        del given
        with _option("PosternStorage, DJANGO_POSTERN"):
            super().__init__(**options)
        made.add(self)

    def deconstruct(self):
        """For a migration, which must not contain a key."""
        return f"{type(self).__module__}.{type(self).__qualname__}", (), {}

    def url(self, name, parameters=None, expire=None):
        """The URL for a page: a link, or with `permanent` the address of the view that checks each request."""
        return self.urls([name], parameters, expire)[0]

    def urls(self, names, parameters=None, expire=None):
        """As url(), for many files. 100 issued links cost one request."""
        if self.permanent:
            if parameters or expire is not None:
                raise TypeError("permanent: the view chooses parameters and expire. For a link, call link()")
            paths, start = [(name, self._path(name)) for name in names], len(self.place.prefix)
            return [self.permanent + quote(path[start:]) if path else self._closed(name) for name, path in paths]
        if self.is_signed:
            return [self.link(name, parameters, expire) for name in names]
        requests = [self._request(name, parameters, expire) for name in names]
        tokens = iter(self._issue([request for request in requests if request]))
        pairs = [(name, request and next(tokens, None)) for name, request in zip(names, requests)]
        return [self.place.absolute(token["url"]) if token else self._closed(name) for name, token in pairs]

    def link(self, name, parameters=None, expire=None):
        """A link to the file, which opens it for everyone. `parameters` are fields of the token, such as `filename`.

        Raises PosternError if Postern does not issue it.
        """
        request = self._request(name, parameters, expire)
        if request is None:
            return self._closed(name)
        token = self._sign(request) if self.is_signed else self.client.issue(**request)
        return self.place.absolute(token["url"])

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
        with _option("key_file"):
            signer = Signer(**self.signing, **self._kid)
            # Reports a cache_for that this key cannot have.
            signer.sign(path="/", expires_in=1, cache_for=self.cache_for)
            return signer

    @cached_property
    def client(self):
        """The API of Postern, to issue and to revoke tokens."""
        with _option("api, api_key"):
            return Postern(self._api["api"] or "", self._api["api_key"] or "", timeout=self._api["timeout"])

    @cached_property
    def place(self):
        """The origin and the public prefix of the mount."""
        with _option("DJANGO_POSTERN"):
            mount = Mount(self.mount)
        if not getattr(self, "base_location", True):
            raise ImproperlyConfigured("location: required, because MEDIA_ROOT is not set")
        return mount

    def _request(self, name, parameters, expire):
        """The fields of the token; None if Postern would reject the name of the file."""
        fields = parameters or {}
        if unknown := fields.keys() - PARAMETERS:
            raise TypeError(f"Postern: unknown parameter {', '.join(sorted(unknown))}")
        path = self._path(name)
        request = {
            "subject": current_subject()[0],
            "filename": path and self.filename and self.filename(name),
            **self.fields,
            **fields,
            "path": path,
            "expires_in": self.expire if expire is None else expire,
        }
        filename = request["filename"]
        # Postern rejects a token with another filename.
        if filename is not None and not is_filename(filename):
            if "filename" in fields:
                raise ValueError(f"filename: expected 1 to 255 characters, no slash or control, got {filename!r}")
            # An exception would break a page with many other links. Browsers take the name from the URL.
            request = {"disposition": "attachment", **request, "filename": None}
        return path and {field: value for field, value in request.items() if value is not None}

    def _sign(self, request):
        user, login = current_subject()
        # After a logout that revokes, only the last login separates new links from revoked ones.
        is_cached = request.get("subject") == user and (user is None or login)
        return self.signer.sign(**request, cache_for=self.cache_for if is_cached else 0, since=login or 0)

    def _issue(self, requests):
        """The tokens; none if Postern does not answer and `closed_if_down` is set."""
        # While Postern hangs, a page with many links must wait for it only once.
        is_down = self.closed_if_down and time.monotonic() < self._down_until
        try:
            return [] if is_down else self.client.issue_many(requests)
        except PosternError as error:
            if not self.closed_if_down:
                raise
            # Not if it rejects one of these files.
            if (error.status or 500) >= 500:
                self._down_until = time.monotonic() + self._api["timeout"]
            logging.getLogger(__name__).error("Postern issued no token: %s", error)
            return []

    def _path(self, name):
        """The public path of the file that the storage reads; None if Postern rejects its name."""
        # Older databases have names such as a//b, ./a and /a.
        return self.place.path(posixpath.normpath(name.lstrip("/")))

    def _closed(self, name):
        """A URL without a token, because an exception would break a page with many other links."""
        if path := self._path(name):
            return self.place.origin + quote(path)
        logging.getLogger(__name__).warning("Postern cannot serve a file with the name %r", name)
        # nginx would decode "..%2F", and leave the mount.
        return self.place.origin + self.place.prefix + quote(re.sub(r"[/.]+", "_", name), errors="replace")


class PosternStorage(PosternUrls, FileSystemStorage):
    """Keeps files as FileSystemStorage does, with links of Postern."""

    @property
    def base_url(self):
        return self.permanent or super().base_url

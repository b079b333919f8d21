import re

from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files.storage import FileSystemStorage
from django.utils.functional import cached_property
from postern import Postern, Signer

from .subject import current_subject

# The fields of a token that a call of url() may set. The others say which file it opens.
PARAMETERS = frozenset(
    "bind confirm disposition filename ip limit_rate max_bytes max_uses "
    "not_before pin resume_for subject".split()
)

MAX_FILENAME_LENGTH = 255


class PosternStorage(FileSystemStorage):
    """Keeps files as FileSystemStorage does. A URL is a link that Postern allows for a short time."""

    def __init__(
        self,
        *,
        mount=None,
        site=None,
        tokens="signed",
        expire=600,
        filename=None,
        max_uses=None,
        confirm=None,
        key_file=None,
        kid=None,
        issuer=None,
        audience=None,
        api=None,
        api_key=None,
        **options,
    ):
        self.mount, self.tokens, self.expire, self.filename = mount, tokens, expire, filename
        self._fields = {"site": site, "max_uses": max_uses, "confirm": confirm}
        self._signing = {"key_file": key_file, "issuer": issuer, "audience": audience}
        self._kid, self._api, self._api_key = kid, api, api_key
        # A traceback of an unknown option would show it.
        del api_key
        super().__init__(**options)

    def url(self, name, parameters=None, expire=None):
        """A link to the file. `parameters` are fields of the token, such as `filename`."""
        request = self._request(name, parameters, expire)
        token = self.signer.sign(**request) if self.is_signed else self.client.issue(**request)
        return self._absolute(token["url"])

    def urls(self, names, parameters=None, expire=None):
        """As url(), for up to 1000 files. Issued links cost one request together."""
        if self.is_signed:
            return [self.url(name, parameters, expire) for name in names]
        requests = [self._request(name, parameters, expire) for name in names]
        return [self._absolute(token["url"]) for token in self.client.issue_many(requests)]

    @cached_property
    def is_signed(self):
        if self.tokens not in ("signed", "issued"):
            raise ImproperlyConfigured(f"tokens: expected signed or issued, got {self.tokens!r}")
        return self.tokens == "signed"

    @cached_property
    def signer(self):
        """Signs tokens with the key of this application."""
        missing = [name for name, value in self._signing.items() if not value]
        if missing:
            raise ImproperlyConfigured(f"{', '.join(missing)}: required to sign tokens")
        try:
            return Signer(**self._signing, kid=self._kid)
        except (OSError, ValueError, ImportError) as error:
            raise ImproperlyConfigured(f"key_file: {error}") from None

    @cached_property
    def client(self):
        """The API of Postern, to issue and to revoke tokens."""
        if not self._api or not self._api_key:
            raise ImproperlyConfigured("api, api_key: required to call Postern")
        try:
            return Postern(self._api, self._api_key)
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
        if not self.base_location:
            raise ImproperlyConfigured("location: required, because MEDIA_ROOT is not set")
        return match[1] or "", match[2]

    def _request(self, name, parameters, expire):
        fields = dict(parameters or {})
        unknown = fields.keys() - PARAMETERS
        if unknown:
            raise TypeError(f"url() has no parameter {', '.join(sorted(unknown))}")
        request = {
            "subject": current_subject(),
            "filename": self.filename and self.filename(name),
            **self._fields,
            **fields,
            "path": self._path(name),
            "expires_in": self.expire if expire is None else expire,
        }
        filename = request["filename"]
        # Postern rejects a token with another filename, and a user would see it first. It counts
        # as JavaScript does.
        is_legal = filename is None or (
            re.fullmatch(r"[^/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]+", filename)
            and len(filename.encode("utf-16-le")) / 2 <= MAX_FILENAME_LENGTH
        )
        if not is_legal:
            expected = r"1 to 255 characters without / \ and control characters"
            raise ValueError(f"filename: expected {expected}, got {filename!r}")
        return {field: value for field, value in request.items() if value is not None}

    def _path(self, name):
        """The public path of a file. It is an error if the name leaves the mount."""
        path = self.place[1] + name
        # The rules of Postern: with another name, nobody could open the link.
        is_illegal = (
            any(segment in ("", ".", "..") for segment in name.split("/"))
            or re.search(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]", name)
            or name.endswith(" ")
            or len(path.encode()) > 2048
        )
        if is_illegal:
            raise SuspiciousFileOperation(f"Postern cannot serve a file with the name {name!r}")
        return path

    def _absolute(self, url):
        # With POSTERN_PUBLIC_URL, an issued URL is absolute already.
        return self.place[0] + url if url.startswith("/") else url

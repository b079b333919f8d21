"""Names of files, as Postern reads them."""

import re

MAX_PATH_BYTES = 2048
MAX_FILENAME_LENGTH = 255


class Mount:
    """A public prefix of Postern, such as `/download/`, also with an origin: `https://files.example/download/`."""

    def __init__(self, text: str | None) -> None:
        match = re.fullmatch(r"(https?://[^/?#\s]+)?(/|/[^/].*/)", text or "")
        if match is None:
            raise ValueError(f"mount: expected a public prefix of Postern, such as /download/, got {text!r}")
        self.origin, self.prefix = match[1] or "", match[2]

    def path(self, name: str) -> str | None:
        """The public path of a file. None if Postern rejects its name.

        It changes nothing in the name: a rule for `a/../b` must not open `b`.
        """
        path = self.prefix + name
        is_illegal = re.search(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]| \Z", name) or {"", ".", ".."} & {*name.split("/")}
        return None if is_illegal or len(path.encode()) > MAX_PATH_BYTES else path

    def absolute(self, url: str) -> str:
        """With POSTERN_PUBLIC_URL, an issued URL is absolute already."""
        return self.origin + url if url.startswith("/") else url


def is_filename(text: str) -> bool:
    """Whether Postern accepts this name to save a file. It counts as JavaScript does."""
    is_legal = re.fullmatch(r"[^/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]+", text)
    return bool(is_legal) and len(text.encode("utf-16-le")) / 2 <= MAX_FILENAME_LENGTH

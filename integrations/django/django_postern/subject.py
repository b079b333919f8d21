"""The subject of the links: the user who requests them. Postern logs it, and can revoke all links of a subject."""

from contextlib import contextmanager
from contextvars import ContextVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from postern_downloads.redirect import HEADERS

_current = ContextVar("postern_subject", default=None)


def current_subject():
    """The subject of the links that are made now, and its last login. (None, 0) outside a request and without a login."""
    current = _current.get()
    return (current() if callable(current) else current and (current, None)) or (None, 0)


@contextmanager
def subject(value):
    """Sets the subject of the links that a task or a command makes in this block."""
    reset = _current.set(value)
    try:
        yield
    finally:
        _current.reset(reset)


class SubjectMiddleware:
    """Makes the ID of the user the subject, and keeps links out of caches. It belongs after AuthenticationMiddleware."""

    sync_capable = async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request):
        if iscoroutinefunction(self):
            return self.__acall__(request)
        with subject(lambda: _user_of(request)):
            return _protect(request, self.get_response(request))

    async def __acall__(self, request):
        with subject(lambda: _user_of(request)):
            return _protect(request, await self.get_response(request))

    def process_view(self, request, view, args, kwargs):
        # request.user reads the database at its first use, which Django forbids in an async view.
        if iscoroutinefunction(view):
            _user_of(request)


def _user_of(request):
    # Only the first link of a page reads the session, so other pages stay cacheable.
    user = request.user
    login = getattr(user, "last_login", None)
    return (str(user.pk), login and login.timestamp()) if user.is_authenticated else None


def _protect(request, response):
    """Also for the redirects of other packages, such as Wagtail."""
    view = getattr(request.resolver_match, "func", None)
    if hasattr(view, "has_links") or "?token=" in response.get("Location", ""):
        for name, value in HEADERS.items():
            response[name] = value
    return response

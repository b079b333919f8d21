"""The subject of the links: the user who requests them. Postern logs it, and can revoke all links of a subject."""

from contextlib import contextmanager
from contextvars import ContextVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

_current = ContextVar("postern_subject", default=None)


def current_subject():
    """The subject of the links that are made now; None outside a request, and without a login."""
    subject = _current.get()
    return subject() if callable(subject) else subject


@contextmanager
def subject(value):
    """Sets the subject of the links that a task or a command makes in this block."""
    reset = _current.set(value)
    try:
        yield
    finally:
        _current.reset(reset)


class SubjectMiddleware:
    """Makes the ID of the user the subject. It belongs after AuthenticationMiddleware."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request):
        if iscoroutinefunction(self):
            return self.__acall__(request)
        with subject(lambda: _subject_of(request)):
            return self.get_response(request)

    async def __acall__(self, request):
        with subject(lambda: _subject_of(request)):
            return await self.get_response(request)


def _subject_of(request):
    # Only the first link of a page reads the session, so other pages stay cacheable.
    user = request.user
    return str(user.pk) if user.is_authenticated else None

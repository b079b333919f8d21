"""A view that checks the user at each click, and redirects to a fresh link."""

from django.contrib.auth.views import redirect_to_login
from django.core.files.storage import storages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_safe
from postern_downloads import PosternError
from postern_downloads.redirect import HEADERS, failure, is_permission


def redirect_to_file(may_read, *, storage="default", login_url=None, download=False, **parameters):
    """The view of path("files/<path:name>", …). `may_read(user, name)` returns True or False.

    `storage` is a name in STORAGES, or a storage. `parameters` are fields of the token.
    """
    parameters |= {"disposition": "attachment"} if download else {}

    @require_safe
    def view(request, name):
        files = storages[storage] if isinstance(storage, str) else storage
        # A rule that allows a/../b must not open b.
        if files.place.path(name) is None:
            raise Http404
        try:
            is_allowed = is_permission(may_read(request.user, name))
        except Http404:
            is_allowed = False
        if is_allowed:
            return redirect_to_link(files, name, parameters)
        if request.user.is_authenticated:
            raise Http404
        return redirect_to_login(request.get_full_path(), login_url)

    # SubjectMiddleware forbids caches to keep any response of this view.
    view.has_links = True
    return view


def redirect_to_link(storage, name, parameters=None):
    """The redirect of a view that has checked the user of this request."""
    try:
        return HttpResponseRedirect(storage.link(name, parameters), status=303, headers=HEADERS)
    except PosternError as error:
        status, headers = failure(error)
        return HttpResponse("The file is not available.", status=status, headers=headers)


class FilerServer:
    """For FILER_SERVERS of django-filer, whose view has checked the user."""

    def serve(self, request, filer_file, **kwargs):
        return redirect_to_link(filer_file.file.storage, filer_file.file.name)

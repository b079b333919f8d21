"""Redirects a user to a file. Add path("files/<str:name>", download) to urls.py. `may_read` is your rule."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseRedirect

from .postern import issue
from .rules import may_read


@login_required
def download(request, name):
    if not may_read(request.user, name):
        raise Http404
    url = issue(f"/download/{name}", request.user.pk)
    if url is None:
        return HttpResponse("The file is not available.", status=503, headers={"Retry-After": "5"})
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return HttpResponseRedirect(url, status=303, headers=headers)

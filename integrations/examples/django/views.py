"""Redirects a user to a file. Add path("files/<str:name>", download) to urls.py. `may_read` is your rule."""

import logging
import os

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseRedirect
from postern_downloads import Postern, PosternError

from .rules import may_read

postern = Postern(os.environ["POSTERN_API"], os.environ["POSTERN_API_KEY"], timeout=5)


@login_required
def download(request, name):
    if not may_read(request.user, name):
        raise Http404
    try:
        token = postern.issue(path=f"/download/{name}", subject=str(request.user.pk))
    except PosternError as error:
        if any(one["pointer"] == "#/path" for one in error.errors):
            raise Http404 from None
        logging.error("Postern issued no token: %s", error)
        return HttpResponse("The file is not available.", status=503, headers={"Retry-After": "5"})
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return HttpResponseRedirect(token["url"], status=303, headers=headers)

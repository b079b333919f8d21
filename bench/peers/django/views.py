"""The two views of the article: a token for a file, and the file for a token."""

import json
import secrets
from pathlib import Path
from urllib.parse import urlencode

from django.conf import settings
from django.core.cache import cache
from django.http import FileResponse, HttpResponse, HttpResponseForbidden, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST


@csrf_exempt
@require_POST
def generate_media_token(request):
    key = request.headers.get("Authorization", "")
    if not secrets.compare_digest(key, f"Bearer {settings.BENCH_KEY}"):
        return JsonResponse({"detail": "no such key"}, status=401)
    wanted = json.loads(request.body)
    token = secrets.token_urlsafe(24)
    cache.set(token, wanted["file"], timeout=wanted["expires_in"])
    query = urlencode({"token": token, "file": wanted["file"]})
    return JsonResponse({"token": token, "url": f"/download-logs-with-token/?{query}"}, status=201)


def download_logs_with_token(request):
    name = request.GET.get("file")
    token = request.GET.get("token")
    if not name or not token or cache.get(token) != name:
        return HttpResponseForbidden()
    if settings.BENCH_STREAM_FROM:
        return FileResponse(Path(settings.BENCH_STREAM_FROM, name).open("rb"))
    response = HttpResponse()
    # Otherwise nginx would send Django's text/html as the type of the file.
    del response["Content-Type"]
    response["X-Accel-Redirect"] = f"/protected/{name}"
    return response


urlpatterns = [
    path("generate-media-token/", generate_media_token),
    path("download-logs-with-token/", download_logs_with_token),
]

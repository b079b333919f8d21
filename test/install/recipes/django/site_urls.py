from types import SimpleNamespace
from django.http import HttpResponse
from django.urls import path
from app.views import download

def user(get_response):
    def middleware(request):
        pk = request.session.get("user")
        request.user = SimpleNamespace(pk=pk, is_authenticated=pk is not None)
        return get_response(request)
    return middleware

def login(request):
    request.session["user"] = 42
    return HttpResponse()

urlpatterns = [path("files/<str:name>", download), path("test-login", login)]

from django.contrib import admin
from django.urls import path
from django_postern.views import redirect_to_file
from documents import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", views.documents),
    path("links/", views.links),
    path("files/<path:name>", redirect_to_file(views.may_read)),
]

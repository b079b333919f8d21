from django.contrib import admin
from django.urls import path
from documents import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", views.documents),
    path("links/", views.links),
]

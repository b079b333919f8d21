from django.urls import path

import views

urlpatterns = [
    path("generate-media-token/", views.generate_media_token),
    path("download-logs-with-token/", views.download_logs_with_token),
]

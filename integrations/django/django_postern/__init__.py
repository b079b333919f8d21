"""Private files of Django behind nginx and Postern."""

from django.conf.global_settings import STORAGES as DEFAULT

# For settings that have no STORAGES yet.
STORAGES = {**DEFAULT, "default": {"BACKEND": "django_postern.storage.PosternStorage"}}

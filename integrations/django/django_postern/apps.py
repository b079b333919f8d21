from django.apps import AppConfig


class PosternConfig(AppConfig):
    name = "django_postern"

    def ready(self):
        from . import checks  # noqa: F401  It registers itself.

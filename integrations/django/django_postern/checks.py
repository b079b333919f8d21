from pathlib import Path

from django.conf import settings
from django.core.checks import Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.urls import get_resolver, get_script_prefix
from django.utils.module_loading import import_string
from django.views.static import serve

from .storage import PosternUrls


@register(Tags.files)
def check_storages(app_configs, **kwargs):
    """Finds what would make each url() fail, and private files that this site makes public."""
    errors = []
    checks = {"E001": _check_tokens, "E002": _check_place, "E003": _check_media, "E004": _check_urls}
    for alias, storage in postern_storages():
        for id, check in checks.items():
            try:
                check(storage)
            except ImproperlyConfigured as error:
                errors.append(Error(str(error), obj=f"STORAGES[{alias!r}]", id=f"postern.{id}"))
    return errors


def postern_storages():
    for alias, options in storages.backends.items():
        # Another storage may connect to a server when it is made.
        if issubclass(import_string(options["BACKEND"]), PosternUrls):
            yield alias, storages[alias]


def _check_tokens(storage):
    return storage.signer if storage.is_signed else storage.client


def _check_place(storage):
    return storage.place


def _check_media(storage):
    url, root = settings.MEDIA_URL, settings.MEDIA_ROOT
    # Django makes an empty MEDIA_URL the prefix of the site.
    is_public = url not in ("", get_script_prefix())
    if is_public and (storage.mount == url or _overlaps(storage, root)):
        raise ImproperlyConfigured(
            f"MEDIA_URL says that the files in MEDIA_ROOT ({root}) are public at {url}. Remove MEDIA_URL and "
            "this location of nginx, or give the private files another location and mount."
        )


def _check_urls(storage):
    for pattern in _patterns(get_resolver().url_patterns if settings.ROOT_URLCONF else ()):
        root = pattern.default_args.get("document_root")
        if pattern.callback is serve and _overlaps(storage, root):
            raise ImproperlyConfigured(
                f"urls.py makes the files in {root} public: the pattern {str(pattern.pattern)!r} needs no login. "
                "Remove static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT)."
            )


def _patterns(patterns):
    for pattern in patterns:
        nested = getattr(pattern, "url_patterns", None)
        yield from [pattern] if nested is None else _patterns(nested)


def _overlaps(storage, root):
    if not root or not getattr(storage, "base_location", None):
        return False
    private, public = Path(storage.location).resolve(), Path(root).resolve()
    return private.is_relative_to(public) or public.is_relative_to(private)


from pathlib import Path

from django.conf import settings
from django.core.checks import Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.urls import get_script_prefix
from django.utils.module_loading import import_string

from .storage import PosternStorage


@register(Tags.files)
def check_storages(app_configs, **kwargs):
    """Finds what would make each url() fail, and files that MEDIA_URL makes public."""
    errors = []
    for where, storage in _storages():
        for id, check in (("E001", _check_tokens), ("E002", _check_place), ("E003", _check_media)):
            try:
                check(storage)
            except ImproperlyConfigured as error:
                errors.append(Error(str(error), obj=where, id=f"postern.{id}"))
    return errors


def _storages():
    for alias, options in storages.backends.items():
        # Another storage may connect to a server when it is made.
        if issubclass(import_string(options["BACKEND"]), PosternStorage):
            yield f"STORAGES[{alias!r}]", storages[alias]


def _check_tokens(storage):
    return storage.signer if storage.is_signed else storage.client


def _check_place(storage):
    return storage.place


def _check_media(storage):
    url, root = settings.MEDIA_URL, settings.MEDIA_ROOT
    # Django makes an empty MEDIA_URL the prefix of the site.
    if not root or not storage.base_location or url in ("", get_script_prefix(), storage.mount):
        return
    private, public = Path(storage.location).resolve(), Path(root).resolve()
    if private.is_relative_to(public) or public.is_relative_to(private):
        raise ImproperlyConfigured(
            f"MEDIA_URL says that the files in MEDIA_ROOT ({root}) are public at {url}. Remove "
            "MEDIA_URL and this location of nginx, or keep the private files in another folder."
        )

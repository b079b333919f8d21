from pathlib import Path

from django.conf import settings
from django.core.checks import Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.urls import Resolver404, get_resolver, get_script_prefix, resolve
from django.utils.module_loading import import_string
from django.views.static import serve

from .storage import PosternUrls, made


@register(Tags.files)
def check_storages(app_configs, **kwargs):
    """Finds what would make each url() fail, and private files that this site makes public."""
    errors = []
    checks = (lambda one: one.signer if one.is_signed else one.client, lambda one: one.place)
    for storage, name in postern_storages().items():
        for number, check in enumerate((*checks, _check_media, _check_urls, _check_permanent, _check_nested), 1):
            try:
                check(storage)
            except ImproperlyConfigured as error:
                errors.append(Error(str(error), obj=name, id=f"postern.E00{number}"))
    return errors


def postern_storages():
    """Those of STORAGES, and those that a library or code has made, such as FILER_STORAGES of django-filer."""
    # Another storage may connect to a server when it is made.
    ours = [name for name, one in storages.backends.items() if issubclass(import_string(one["BACKEND"]), PosternUrls)]
    listed = {storages[name]: f"STORAGES[{name!r}]" for name in ours}
    # Migrations make storages without options.
    others = {one: f"{type(one).__name__}(mount={one.mount!r})" for one in made if one.mount and one not in listed}
    return {**listed, **others}


def _check_media(storage):
    url, root = settings.MEDIA_URL, settings.MEDIA_ROOT
    # Django makes an empty MEDIA_URL the prefix of the site.
    if url not in ("", get_script_prefix()) and (storage.mount == url or _overlaps(storage, root)):
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


def _check_permanent(storage):
    # A view of another site is unknown here.
    url = storage.permanent or "https://"
    try:
        return url.startswith(("http://", "https://")) or resolve(f"{url[len(get_script_prefix()) - 1 :]}a")
    except Resolver404:
        raise ImproperlyConfigured(f"permanent: urls.py has no view for {url!r} and a name") from None


def _check_nested(storage):
    outers = {one.mount for one in postern_storages() if str(one.mount).endswith("/")} - {storage.mount}
    if (storage.mount or "").startswith(tuple(outers)):
        raise ImproperlyConfigured(f"mount: {storage.mount} is inside another mount, whose names could open these files")


def _patterns(patterns):
    for pattern in patterns:
        nested = getattr(pattern, "url_patterns", None)
        yield from [pattern] if nested is None else _patterns(nested)


def _overlaps(storage, root):
    if not root or not getattr(storage, "base_location", None):
        return False
    private, public = Path(storage.location).resolve(), Path(root).resolve()
    return private.is_relative_to(public) or public.is_relative_to(private)


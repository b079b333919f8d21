import asyncio
import base64
import datetime
import gc
import json
import tempfile
from contextlib import contextmanager
from io import StringIO
from traceback import walk_tb
from unittest import mock
from urllib.parse import unquote

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser, User
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.db.migrations.serializer import serializer_factory
from django.conf.urls.static import static
from django.core.management import call_command
from django.db import models
from django.http import HttpResponse
from django.template import engines
from django.test import AsyncRequestFactory, RequestFactory, TestCase, override_settings
from django.urls import include, path
from django.utils.functional import SimpleLazyObject
from django_postern.storage import PosternStorage
from django_postern.subject import SubjectMiddleware, subject

from .models import Document


def claims(url):
    """The path of a URL, decoded, and the claims of its token."""
    path, token = url.split("?token=")
    return unquote(path), jwt.decode(token, options={"verify_signature": False})


@contextmanager
def storage_with(**changed):
    """The storage of the settings with other options; None removes one."""
    default = storages.backends["default"]
    # With override_settings, Django 4.2 loses the options.
    backends = mock.patch.dict(storages.backends, default={**default, "OPTIONS": changed})
    with backends, mock.patch.dict(storages._storages, clear=True):
        yield storages["default"]


class Urls(TestCase):
    def test_names_are_encoded_exactly(self):
        odd = ("a b", "a%20b", "a'b\"c", "#1?", "ä/日本 🎉", "a;b&c=d+e", "~a/...", " a", "%2e%2e")
        for name in odd:
            url = default_storage.url(name)
            path, token = claims(url)
            self.assertEqual((path, token["path"]), (f"/download/{name}", f"/download/{name}"))
            self.assertRegex(url, r"^[A-Za-z0-9/._~%-]+\?token=[\w.-]+$")

    def test_a_name_of_an_older_database_opens_the_file_that_the_storage_reads(self):
        for name, file in (("a//b", "a/b"), ("./a", "a"), ("/docs/a", "docs/a"), ("a/../b", "b"), ("a/", "a")):
            path, token = claims(default_storage.url(name))
            self.assertEqual((path, token["path"]), (f"/download/{file}", f"/download/{file}"))

    def test_a_name_that_leaves_the_mount_or_that_postern_rejects_gets_no_token(self):
        names = ("", ".", "..", "../a", "a/../../b", "/../a", "a\\b", "a\nb", "a\x85b", "a ", "\ud800")
        for name in (*names, "ä" * 1025):
            with self.assertLogs("django_postern"):
                url = default_storage.url(name)
            self.assertRegex(url, r"^/download/[^/.?#]*$")
            with self.assertLogs("django_postern"), storage_with(tokens="issued", api="http://a", api_key="k") as storage:
                with mock.patch("postern_downloads.Postern.issue_many", return_value=[{"url": "/download/a"}]):
                    self.assertEqual(storage.urls([name, "a"]), [url, "/download/a"])

    def test_parameters_are_fields_of_the_token_but_open_no_other_file(self):
        limits = {"filename": 'Ü "x".pdf', "max_uses": 1, "resume_for": 60, "subject": "eve"}
        _, token = claims(default_storage.url("a", limits, expire=30))
        self.assertEqual(token["exp"] - token["iat"], 90)
        self.assertEqual(token["filename"], 'Ü "x".pdf')
        self.assertEqual((token["sub"], token["max_uses"]), ("eve", 1))
        others = ("path", "prefix", "target", "site", "expires_in", "sub", "ResponseContentType")
        for name in others:
            with self.assertRaises(TypeError, msg=name):
                default_storage.url("a", {name: "/download/b"})

    def test_a_filename_that_postern_rejects_is_an_error(self):
        for name in ("", "a/b", "a\\b", "a\nb", "a\x85b", "\ud800", "a" * 256, "🎉" * 128):
            with self.assertRaises(ValueError, msg=name):
                default_storage.url("a", {"filename": name})
            # The option gets names that no developer has seen, on pages with many links.
            with storage_with(filename=lambda _: name) as storage:
                _, token = claims(storage.url("a"))
            self.assertEqual((token.get("filename"), token["disposition"]), (None, "attachment"), name)
        longest = "🎉" * 127 + "a"
        _, token = claims(default_storage.url("a", {"filename": longest}))
        self.assertEqual(token["filename"], longest)

    def test_options_apply_to_each_link(self):
        def basename(name):
            return name.rsplit("/", 1)[-1]

        limits = {"site": "files.example", "max_uses": 2, "confirm": True}
        others = {"mount": "https://a.example/m/", "filename": basename, "expire": 9}
        with storage_with(**others, **limits) as storage:
            path, token = claims(storage.url("b/c.txt"))
        self.assertEqual(path, "https://a.example/m/b/c.txt")
        self.assertEqual((token["path"], token["filename"]), ("/m/b/c.txt", "c.txt"))
        self.assertEqual(token["exp"] - token["iat"], 9)
        self.assertEqual({name: token[name] for name in limits}, limits)

    def test_a_migration_contains_no_option_and_can_make_the_storage(self):
        options = {"tokens": "issued", "api": "http://127.0.0.1:1", "api_key": "a-secret"}
        with storage_with(**options) as storage:
            text, _ = serializer_factory(models.FileField(storage=storage)).serialize()
            self.assertIn("storage=django_postern.storage.PosternStorage()", text)
            self.assertNotIn("a-secret", text)

    def test_a_traceback_of_a_wrong_option_does_not_show_the_api_key(self):
        def given():
            PosternStorage(api_key="a-secret-key", unknown=1)

        def configured():
            with override_settings(DJANGO_POSTERN={"api_key": "a-secret-key"}), storage_with(unknown=1):
                pass

        for make in (given, configured):
            try:
                make()
            except ImproperlyConfigured as error:
                self.assertRegex(str(error), "PosternStorage.*unknown")
                frames = [frame for frame, _ in walk_tb(error.__traceback__)]
            self.assertIn("unknown", repr([frame.f_locals for frame in frames]))
            self.assertNotIn("a-secret-key", repr([frame.f_locals for frame in frames]))

    def test_a_storage_of_a_library_has_the_options_of_the_setting(self):
        path, token = claims(PosternStorage().url("a"))
        self.assertEqual((path, token["aud"]), ("/download/a", "urn:postern:download"))
        self.assertEqual(claims(PosternStorage(mount="/m/").url("a"))[0], "/m/a")

    def test_a_new_key_is_used_without_a_restart(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            key = json.loads(settings.DJANGO_POSTERN["key_file"].read_text())["keys"][0]

            def write(text):
                file.seek(0)
                file.truncate()
                file.write(text)
                file.flush()

            def kid():
                return jwt.get_unverified_header(storage.url("a").split("token=")[1])["kid"]

            write(json.dumps({"keys": [key]}))
            with storage_with(key_file=file.name) as storage:
                self.assertEqual(kid(), key["kid"])
                write('{"keys": [')
                self.assertEqual(kid(), key["kid"])
                write(json.dumps({"keys": [{**key, "kid": "new"}, key]}))
                self.assertEqual(kid(), "new")

    def test_links_stay_equal_after_the_last_login_of_a_known_user(self):
        key = settings.BASE_DIR / "eddsa.json"
        private = Ed25519PrivateKey.generate()
        raw = (private.private_bytes_raw(), private.public_key().public_bytes_raw())
        d, x = (base64.urlsafe_b64encode(one).decode().rstrip("=") for one in raw)
        jwk = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "a", "d": d, "x": x}
        key.write_text(json.dumps({"keys": [jwk]}))
        self.addCleanup(key.unlink)
        user = User(pk=1, last_login=datetime.datetime.fromtimestamp(600_000, datetime.timezone.utc))
        request = RequestFactory().get("/")
        request.user = user

        def links(now, user, **parameters):
            request.user = user
            view = SubjectMiddleware(lambda request: HttpResponse(storage.url("a", parameters)))
            with mock.patch("time.time", return_value=now):
                return {view(request).content.decode() for _ in range(2)}

        with storage_with(key_file=key, cache_for=600) as storage:
            first = links(600_100, user)
            self.assertEqual((len(first), links(600_500, user)), (1, first))
            self.assertEqual(len(links(600_500, AnonymousUser())), 1)
            # A logout that revokes, and a new login, must not leave revoked links for the rest of the time.
            user.last_login += datetime.timedelta(seconds=300)
            self.assertEqual(len(links(600_310, user)), 2)
            again = links(600_400, user)
            self.assertEqual(len(again | first), 2)
            for parameters in ({"max_uses": 1}, {"subject": "other"}):
                self.assertEqual(len(links(600_500, user, **parameters)), 2, parameters)
            user.last_login = None
            self.assertEqual(len(links(600_500, user)), 2)
        with storage_with(cache_for=600), self.assertRaises(ImproperlyConfigured):
            storages["default"].url("a")

    def test_issued_links_of_a_page_cost_one_request(self):
        options = {"tokens": "issued", "api": "http://127.0.0.1:1", "api_key": "k"}
        with storage_with(**options) as storage, mock.patch("postern_downloads.Postern.issue_many") as issue:
            issue.return_value = [{"url": "/download/a?token=1"}, {"url": "https://b.example/b"}]
            urls = storage.urls(["a", "b"], expire=5)
        self.assertEqual(urls, ["/download/a?token=1", "https://b.example/b"])
        wanted = [{"path": f"/download/{name}", "expires_in": 5} for name in "ab"]
        issue.assert_called_once_with(wanted)


class Subjects(TestCase):
    def setUp(self):
        self.user = User.objects.create_superuser("eve", password="eve")

    def test_the_user_of_the_request_is_the_subject(self):
        request = RequestFactory().get("/")
        request.user = self.user
        link = SubjectMiddleware(lambda request: HttpResponse(default_storage.url("a")))
        _, token = claims(link(request).content.decode())
        self.assertEqual(token["sub"], str(self.user.pk))
        self.assertNotIn("sub", claims(default_storage.url("a"))[1])
        request.user = AnonymousUser()
        self.assertNotIn("sub", claims(link(request).content.decode())[1])

    def test_requests_at_the_same_time_do_not_mix_their_users(self):
        async def view(request):
            await asyncio.sleep(0)
            return HttpResponse(default_storage.url("a"))

        async def link(pk):
            request = AsyncRequestFactory().get("/")
            request.user = User(pk=pk)
            response = await SubjectMiddleware(view)(request)
            return claims(response.content.decode())[1]["sub"]

        async def links():
            return await asyncio.gather(*(link(pk) for pk in range(1, 6)))

        self.assertEqual(asyncio.run(links()), ["1", "2", "3", "4", "5"])

    async def test_an_async_view_has_the_user_of_the_session(self):
        await Document.objects.acreate(owner=self.user, name="a", file="a")
        await sync_to_async(self.async_client.force_login)(self.user)
        links = (await self.async_client.get("/links/")).json()
        self.assertEqual(claims(links["a"])[1]["sub"], str(self.user.pk))

    def test_a_task_sets_the_subject(self):
        with subject("user-42"):
            self.assertEqual(claims(default_storage.url("a"))[1]["sub"], "user-42")

    def test_a_page_without_links_does_not_read_the_session(self):
        request = RequestFactory().get("/")
        request.user = SimpleLazyObject(lambda: self.fail("reads the session"))
        page = SubjectMiddleware(lambda request: HttpResponse("no link"))
        page.process_view(request, lambda request: None, (), {})
        self.assertEqual(page(request).content, b"no link")


class Files(TestCase):
    """The parts of Django that show a link."""

    def setUp(self):
        self.user = User.objects.create_superuser("eve", password="eve")
        self.document = Document(owner=self.user, name="a b.txt")
        self.document.file.save("a b.txt", ContentFile("hello"))
        self.document.preview = self.document.file.name
        self.document.save()
        self.addCleanup(default_storage.delete, self.document.file.name)

    def test_templates_have_links(self):
        source = "{{ document.file.url }} {{ document.preview.url }}"
        page = engines["django"].from_string(source).render({"document": self.document})
        for url in page.split():
            self.assertEqual(claims(url)[0], f"/download/{self.document.file.name}")

    def test_the_admin_has_a_link_for_its_user(self):
        self.client.force_login(self.user)
        page = self.client.get(f"/admin/documents/document/{self.document.pk}/change/")
        self.assertContains(page, 'href="/download/documents/a_b')
        url = page.content.decode().split('href="/download/')[1].split('"')[0]
        self.assertEqual(claims(url)[1]["sub"], str(self.user.pk))

    def test_a_logout_works_without_postern_and_without_a_user(self):
        self.client.logout()
        self.client.force_login(self.user)
        with storage_with(api="http://127.0.0.1:1", api_key="a-secret-key") as storage:
            default = mock.patch("documents.views.default_storage", storage)
            with default, self.assertLogs("documents", "ERROR") as logs:
                self.assertEqual(self.client.post("/admin/logout/").status_code, 200)
        self.assertFalse(get_user(self.client).is_authenticated)
        self.assertRegex(logs.output[0], f"the links of user {self.user.pk}: unreachable")
        self.assertNotIn("a-secret-key", logs.output[0])

    def test_delete_removes_the_file_without_postern(self):
        with mock.patch("postern_downloads.Postern._send") as send:
            self.document.file.delete()
        self.assertFalse(default_storage.exists("documents/a_b.txt"))
        send.assert_not_called()


class Issuer(TestCase):
    def test_the_printed_entry_allows_the_links_of_each_storage(self):
        # Storages of other tests.
        gc.collect()
        options = {"expire": 7200, "cache_for": 600}
        with storage_with(**options), StringIO() as text:
            call_command("postern_issuer", stdout=text)
            self.assertIn("\n    max_expires_in: 7800\n", text.getvalue())


class Checks(TestCase):
    def found(self, **others):
        with override_settings(**others):
            found = [(error.id, error.obj) for error in run_checks(tags=["files"])]
        # Other tests have made storages, too.
        return [(id, name) for id, name in found if name.startswith("STORAGES")]

    def test_the_settings_of_the_example_are_right(self):
        self.assertEqual(self.found(), [])

    def test_a_wrong_key_or_mount_is_an_error(self):
        folder = settings.BASE_DIR
        for id, options in (
            ("E001", {"key_file": folder / "none.json"}),
            ("E001", {"key_file": folder / "public.json"}),
            ("E001", {"key_file": folder / "postern.yaml"}),
            ("E001", {"kid": "another"}),
            ("E001", {"key_file": None}),
            ("E001", {"issuer": None}),
            ("E001", {"tokens": "other", "api": "http://127.0.0.1:1", "api_key": "a"}),
            ("E001", {"tokens": "issued"}),
            ("E001", {"tokens": "issued", "api": "http://127.0.0.1:1"}),
            ("E001", {"tokens": "issued", "api": "127.0.0.1:7301", "api_key": "a"}),
            ("E002", {"mount": None}),
            ("E002", {"mount": "/download"}),
            ("E002", {"mount": "download/"}),
            ("E002", {"mount": "//download/"}),
            ("E005", {"permanent": "/files"}),
            ("E005", {"permanent": "files/"}),
            ("E005", {"permanent": "//evil.example/"}),
            ("E005", {"permanent": "/nothing/"}),
        ):
            with storage_with(**options) as storage, self.subTest(options):
                self.assertEqual(self.found()[0], (f"postern.{id}", "STORAGES['default']"))
                if id != "E005":
                    with self.assertRaises(ImproperlyConfigured):
                        storage.url("a")
        with storage_with():
            self.assertEqual(self.found(MEDIA_ROOT="")[0][0], "postern.E002")
        # Links below MEDIA_URL would work without a change of nginx, and each file would stay public.
        with override_settings(MEDIA_URL="/media/"), storage_with(mount=None):
            self.assertEqual([id for id, _ in self.found()], ["postern.E002", "postern.E003"])

    def test_a_media_root_that_is_also_public_is_an_error(self):
        root = settings.MEDIA_ROOT
        public = ("postern.E003", "STORAGES['default']")
        for url in ("/media/", "/download/", "https://cdn.example/"):
            self.assertEqual(self.found(MEDIA_URL=url), [public])
        self.assertEqual(self.found(MEDIA_URL="/media/", MEDIA_ROOT=root.parent), [public])
        for location in (root.parent, root / "private"):
            with storage_with(location=location, mount="/download/"):
                self.assertEqual(self.found(MEDIA_URL="/media/"), [public])
        with storage_with(location=root.parent / "private", mount="/private/"):
            self.assertEqual(self.found(MEDIA_URL="/media/"), [])

    def test_a_pattern_that_makes_the_files_public_is_an_error(self):
        public = [("postern.E004", "STORAGES['default']")]
        for url in ("", "/", "/media/"):
            with override_settings(DEBUG=True, MEDIA_URL=url):
                pattern = static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT)
                other = static("/other/", document_root=settings.BASE_DIR / "public")
                for patterns in (pattern, [path("nested/", include(pattern))]):
                    urls = type("urls", (), {"urlpatterns": patterns})
                    self.assertEqual(self.found(ROOT_URLCONF=urls, MEDIA_URL=""), public)
                self.assertEqual(self.found(ROOT_URLCONF=type("urls", (), {"urlpatterns": other}), MEDIA_URL=""), [])

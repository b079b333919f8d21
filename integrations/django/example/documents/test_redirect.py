"""Permanent addresses, which check the user at each click."""

import gc
import re
import time
from io import StringIO
from pathlib import Path
from unittest import mock
from urllib.parse import quote, unquote

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.checks import run_checks
from django.core.files.storage import storages
from django.core.handlers.exception import response_for_exception
from django.core.management import call_command
from django.http import Http404, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.test import RequestFactory, TestCase, override_settings
from django.urls import path
from django_postern.storage import PosternStorage
from django_postern.subject import SubjectMiddleware
from django_postern.views import FilerServer, redirect_to_file
from postern_downloads import PosternError

from .models import Document
from .tests import claims, storage_with

HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
ISSUED = {"tokens": "issued", "api": "http://127.0.0.1:1", "api_key": "a-secret-key", "timeout": 5}
HOSTILE = Path(__file__).parents[4] / "test/fixtures/hostile-names.txt"
NO_NAMES = (
    *("", "/", "/a", "a/", "a//b", ".", "..", "./a", "../a", "a/.", "a/..", "a/../b", "a\\b", "a\nb", "a\r\nX: y"),
    *("a\0", "a\x85b", "a ", "\ud800", "ä" * 1025, "//evil.example/a", "https://evil.example/a", "\\\\evil.example"),
)


class Redirects(TestCase):
    def setUp(self):
        self.user = User.objects.create_user("eve")

    def open(self, name, may_read=lambda user, name: True, *, user=None, method="GET", **options):
        """The response of the view, as the server sends it."""
        view = redirect_to_file(may_read, **options)
        urls = type("urls", (), {"urlpatterns": [path("files/<path:name>", view)]})
        request = RequestFactory().generic(method, "/files/a")
        request.user = user or self.user

        def answer(request):
            request.resolver_match = type("match", (), {"func": view})
            try:
                return view(request, name)
            except Http404:
                return response_for_exception(request, Http404())

        with override_settings(ROOT_URLCONF=urls, LOGIN_URL="/login/"):
            return SubjectMiddleware(answer)(request)

    def assertAnswer(self, response, status):
        self.assertEqual(response.status_code, status)
        self.assertEqual({name: response[name] for name in HEADERS}, HEADERS)
        self.assertEqual("token=" in response.get("Location", ""), status == 303)
        self.assertNotIn(b"token=", response.content)

    def test_a_user_with_permission_is_redirected_to_a_link_of_the_user(self):
        response = self.open("ä b/c?.txt")
        self.assertAnswer(response, 303)
        file, token = claims(response["Location"])
        self.assertEqual((file, token["path"]), ("/download/ä b/c?.txt",) * 2)
        self.assertEqual(token["sub"], str(self.user.pk))
        self.assertAnswer(self.open("a", method="HEAD"), 303)

    def test_a_user_without_permission_gets_404_and_others_the_login_page(self):
        self.assertAnswer(self.open("a", lambda user, name: False), 404)
        response = self.open("a", lambda user, name: user.is_authenticated, user=AnonymousUser())
        self.assertAnswer(response, 302)
        self.assertEqual(response["Location"], "/login/?next=/files/a")
        self.assertAnswer(self.open("a", user=AnonymousUser()), 303)

    def test_a_rule_that_finds_nothing_denies(self):
        def rule(user, name):
            return get_object_or_404(Document, file=name).owner == user

        self.assertAnswer(self.open("a", rule), 404)
        # Otherwise the status would say which names exist.
        self.assertAnswer(self.open("a", rule, user=AnonymousUser()), 302)

    def test_a_rule_that_raises_or_returns_something_odd_opens_nothing(self):
        async def coroutine(user, name):
            return True

        for may in (None, 1, 0, "yes", "", [True], self.user, Document.objects.all(), lambda: True):
            with self.assertRaisesRegex(TypeError, "may_read: expected True or False", msg=may):
                self.open("a", lambda user, name: may)
        with self.assertRaisesRegex(TypeError, "coroutine"), self.assertWarns(RuntimeWarning):
            self.open("a", coroutine)
            gc.collect()
        with self.assertRaises(ZeroDivisionError):
            self.open("a", lambda user, name: 1 / 0)

    def test_a_name_that_the_link_would_not_have_gets_404_and_no_rule_sees_it(self):
        def rule(user, name):
            self.fail(f"sees {name!r}")

        for name in NO_NAMES:
            for user in (self.user, AnonymousUser()):
                with self.subTest(name):
                    self.assertAnswer(self.open(name, rule, user=user), 404)

    def test_other_methods_get_405(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
            response = self.open("a", lambda user, name: self.fail("asks"), method=method)
            self.assertAnswer(response, 405)
            self.assertEqual(response["Allow"], "GET, HEAD")

    def test_options_are_fields_of_the_link(self):
        response = self.open("a/b", download=True, max_uses=1)
        self.assertEqual(claims(response["Location"])[1]["disposition"], "attachment")
        self.assertEqual(claims(response["Location"])[1]["max_uses"], 1)
        other = PosternStorage(mount="https://files.example/m/", filename=lambda name: "Ü.pdf")
        address, token = claims(self.open("a/b", storage=other)["Location"])
        self.assertEqual((address, token["filename"]), ("https://files.example/m/a/b", "Ü.pdf"))

    def test_without_postern_the_answer_is_503(self):
        for options in (ISSUED, {**ISSUED, "closed_if_down": True}):
            with storage_with(**options), self.assertLogs("postern_downloads", "ERROR") as logs:
                response = self.open("a")
            self.assertAnswer(response, 503)
            self.assertEqual(response["Retry-After"], "5")
            self.assertRegex(logs.output[0], "Postern issued no token: unreachable")
            self.assertNotIn("a-secret-key", logs.output[0])
        rejected = PosternError("invalid_request", 400)
        rejected.errors = [{"pointer": "#/path", "detail": "no"}]
        with storage_with(**ISSUED), mock.patch("postern_downloads.Postern.issue", side_effect=rejected):
            self.assertAnswer(self.open("a"), 404)

    def test_the_site_has_the_headers_on_each_response(self):
        document = Document.objects.create(owner=self.user, name="a", file="ä b.txt")
        address = f"/files/{document.file.name}"
        for debug in (False, True):
            with self.settings(DEBUG=debug):
                self.client.cookies.clear()
                self.assertAnswer(self.client.get(address), 302)
                self.client.force_login(self.user)
                self.assertAnswer(self.client.get(address), 303)
                self.assertAnswer(self.client.head(address), 303)
                self.assertAnswer(self.client.post(address), 405)
                self.assertAnswer(self.client.get("/files/b"), 404)
                self.assertAnswer(self.client.get("/files/a/../b"), 404)
                self.client.raise_request_exception = False
                with mock.patch.object(Document.objects, "filter", side_effect=ZeroDivisionError):
                    response = self.client.get(address)
                self.assertEqual((response.status_code, response["Cache-Control"]), (500, "no-store"))

    def test_a_hostile_path_opens_no_other_file_than_the_rule_has_seen(self):
        self.client.force_login(self.user)
        for line in HOSTILE.read_text().splitlines():
            if line and not line.startswith("// "):
                raw = re.sub(r"\\x(..)", lambda match: f"%{match[1]}", line)
                name = unquote(raw)
                Document.objects.create(owner=self.user, name="a", file=name)
                response = self.client.generic("GET", f"/files/{quote(raw, safe='/%')}")
                self.assertIn(response.status_code, (303, 404), line)
                if response.status_code == 303:
                    self.assertEqual(claims(response["Location"])[0], f"/download/{name}", line)

    def test_a_redirect_of_another_view_to_a_link_is_in_no_cache(self):
        def view(request):
            response = redirect(storages["default"].url("a"))
            response["Cache-Control"] = "max-age=3600, public"
            return response

        request = RequestFactory().get("/")
        request.user, request.resolver_match = self.user, None
        response = SubjectMiddleware(view)(request)
        self.assertEqual({name: response[name] for name in HEADERS}, HEADERS)
        response = SubjectMiddleware(lambda request: HttpResponseRedirect("/next"))(request)
        self.assertNotIn("Cache-Control", response)


class Permanent(TestCase):
    def test_the_url_of_a_file_is_its_permanent_address_without_a_call_and_a_key(self):
        for prefix in ("/files/", "https://shop.example/files/"):
            with storage_with(permanent=prefix, key_file=None, **ISSUED) as storage:
                with mock.patch("postern_downloads.Postern._send", side_effect=AssertionError):
                    for name in ("a b/ä?.txt", "%2e%2e/a", "a'b\"<", "#1", "~ps_a/b"):
                        url = storage.url(name)
                        self.assertRegex(url, rf"^{prefix}[A-Za-z0-9/._~%-]+$")
                        self.assertEqual(unquote(url), prefix + name)
                    self.assertEqual(storage.urls(["a//b", "a/../b"]), [f"{prefix}a/b", f"{prefix}b"])
                    for name in ("..", "a\\b", "a "):
                        with self.assertLogs("django_postern"):
                            self.assertRegex(storage.url(name), r"^/download/[^?]*$")
                    self.assertEqual(storage.base_url, prefix)

    def test_fields_that_the_address_would_lose_are_an_error(self):
        with storage_with(permanent="/files/") as storage:
            for fields in ({"parameters": {"max_uses": 1}}, {"expire": 5}):
                with self.assertRaisesRegex(TypeError, "permanent"):
                    storage.url("a", **fields)
            self.assertEqual(claims(storage.link("a", {"max_uses": 1}, 5))[1]["max_uses"], 1)


class Down(TestCase):
    def test_a_page_has_closed_links_and_waits_once(self):
        names = ["a b", "../c", *map(str, range(20))]
        with storage_with(**ISSUED, closed_if_down=True) as storage:
            with mock.patch("postern_downloads.Postern._send", side_effect=PosternError("timeout")) as send:
                with self.assertLogs("django_postern", "ERROR") as logs:
                    urls = [storage.url(name) for name in names]
                self.assertEqual((send.call_count, len(logs.output)), (1, 1))
                self.assertEqual(urls[:3], ["/download/a%20b", "/download/_c", "/download/0"])
                self.assertEqual(storage.urls(names), urls)
                with self.assertRaises(PosternError):
                    storage.link("a")
                now = time.monotonic()
                with mock.patch("time.monotonic", return_value=now + 6), self.assertLogs("django_postern", "ERROR"):
                    storage.url("a")
                self.assertEqual(send.call_count, 3)
            with mock.patch("postern_downloads.Postern._send", return_value=[{"url": "/download/a?token=1"}]):
                with mock.patch("time.monotonic", return_value=now + 12):
                    self.assertEqual(storage.url("a"), "/download/a?token=1")
        with storage_with(**ISSUED) as storage, self.assertRaises(PosternError):
            storage.url("a")

    def test_a_file_that_postern_rejects_closes_no_later_link(self):
        rejected = PosternError("invalid_request", 400)
        with storage_with(**ISSUED, closed_if_down=True) as storage:
            with mock.patch("postern_downloads.Postern._send", side_effect=[rejected, [{"url": "/download/b?token=1"}]]):
                with self.assertLogs("django_postern", "ERROR"):
                    self.assertEqual(storage.url("a"), "/download/a")
                self.assertEqual(storage.url("b"), "/download/b?token=1")


class OutsideStorages(TestCase):
    """FILER_STORAGES, and a storage made in code."""

    def test_the_check_and_the_issuer_see_a_storage_that_code_has_made(self):
        gc.collect()
        folder = settings.BASE_DIR / "private"
        code = PosternStorage(mount="/private/", location=folder)
        wrong = PosternStorage(mount="/private")
        migration = PosternStorage.__new__(PosternStorage)
        with override_settings(DJANGO_POSTERN={}):
            migration.__init__()
        try:
            found = [(error.id, error.obj) for error in run_checks(tags=["files"])]
            self.assertEqual(found, [("postern.E002", "PosternStorage(mount='/private')")])
            del wrong
            gc.collect()
            with self.settings(MEDIA_URL="/media/", MEDIA_ROOT=folder):
                found = [(error.id, error.obj) for error in run_checks(tags=["files"])]
            self.assertIn(("postern.E003", "PosternStorage(mount='/private/')"), found)
            with StringIO() as text:
                call_command("postern_issuer", stdout=text)
                self.assertIn('paths: ["/download/", "/private/"]', text.getvalue())
        finally:
            del code, migration
            gc.collect()

    def test_a_mount_in_that_of_another_storage_is_an_error(self):
        gc.collect()
        # The rule of the outer storage would see private/a, and open a of this one.
        inner = PosternStorage(mount="/download/private/", location=settings.BASE_DIR / "private")
        found = [(error.id, error.obj) for error in run_checks(tags=["files"])]
        self.assertEqual(found, [("postern.E006", f"PosternStorage(mount={inner.mount!r})")])
        del inner
        gc.collect()

    def test_the_server_of_filer_redirects_to_a_link(self):
        def serve(request):
            storage = storages["default"]
            file = type("File", (), {"file": type("FieldFile", (), {"storage": storage, "name": "a/b"})})
            return FilerServer().serve(request, file, save_as=False)

        request = RequestFactory().get("/")
        request.user, request.resolver_match = AnonymousUser(), None
        response = SubjectMiddleware(serve)(request)
        self.assertEqual(claims(response["Location"])[0], "/download/a/b")
        self.assertEqual(response["Cache-Control"], "no-store")

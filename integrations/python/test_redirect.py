"""The checked redirect in Flask and FastAPI, with signed links and without a Postern."""

import asyncio
import os
import unittest
from unittest import mock
from urllib.parse import quote, unquote

import fastapi
import flask
import jwt
from postern_downloads import Postern, PosternError, Signer
from postern_downloads.fastapi import redirect_to_file as in_fastapi
from postern_downloads.flask import redirect_to_file as in_flask

SIGNER = Signer(os.environ["POSTERN_KEY_FILE"], issuer="https://shop.example", audience="urn:postern:download")
DOWN = Postern("http://127.0.0.1:1", "a-secret-key", timeout=2)
HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
NAMES = ("a b.txt", "ä/日本 🎉.txt", "what?.txt", "#1", "100%", "%2e%2e", "%2F..%5C", "a;b&c=d+e", "..a", "...", " a", "~ps_a/b")
NO_NAMES = (
    *("", "/a", "a/", "a//b", ".", "..", "./a", "../a", "a/..", "a/../b", "a\\b", "a\tb", "a\r\nX: y", "a\0", "a "),
    *("ä" * 1025, "//evil.example/a", "/\\evil.example", "https://evil.example/a"),
)


class Views:
    """The tests of both frameworks. `open` sends a request and returns its status, headers and body."""

    def open(self, name, may_read=lambda user, name: True, *, tokens=SIGNER, method="GET", user=lambda: 42, **options):
        options = {"mount": "/download/", "login": "/login", **options}
        status, headers, body = self.send(method, f"/files/{quote(name)}", tokens, may_read, user, options)
        self.assertNotIn("token=", body)
        return status, headers

    def assertAnswer(self, answer, status):
        self.assertEqual(answer[0], status)
        self.assertEqual({name: answer[1].get(name) for name in HEADERS}, HEADERS)
        location = answer[1].get("Location", "")
        self.assertEqual("token=" in location, status == 303 and "login" not in location)

    def claims(self, answer):
        self.assertAnswer(answer, 303)
        address, token = answer[1]["Location"].split("?token=")
        return unquote(address), jwt.decode(token, options={"verify_signature": False})

    def test_a_permitted_file_of_any_name_is_a_redirect_to_its_link(self):
        for name in NAMES:
            seen = []
            address, token = self.claims(self.open(name, lambda *given: not seen.append(given)))
            self.assertEqual((address, token["path"], token["sub"]), (f"/download/{name}",) * 2 + ("42",))
            self.assertEqual(seen, [(42, name)])
        self.assertEqual(self.claims(self.open("a", method="HEAD"))[0], "/download/a")

    def test_others_get_404_or_the_login_page(self):
        def rule(user, name):
            return name == "public" or user == 42

        self.assertAnswer(self.open("a b", lambda user, name: False), 404)
        answer = self.open("a b?", rule, user=lambda: None)
        self.assertAnswer(answer, 303)
        self.assertEqual(answer[1]["Location"], "/login?next=/files/a%20b%3F")
        answer = self.open("a", rule, user=lambda: None, login="https://sso.example/?app=1")
        self.assertEqual(answer[1]["Location"], "https://sso.example/?app=1&next=/files/a")
        self.assertAnswer(self.open("a", rule, user=lambda: None, login=None), 404)
        self.assertNotIn("sub", self.claims(self.open("public", rule, user=lambda: None))[1])

    def test_a_name_that_postern_rejects_is_404_and_no_rule_sees_it(self):
        def rule(user, name):
            self.fail(f"sees {name!r}")

        for name in NO_NAMES:
            for user in (42, None):
                with self.subTest(name):
                    status, headers = self.open(name, rule, user=lambda: user)
                    # Werkzeug answers // with a redirect to /.
                    self.assertIn(status, (308, 404))
                    self.assertRegex(headers.get("Location", "/files/"), "^(http://[a-z]+)?/files/")

    def test_a_rule_that_raises_or_returns_something_odd_opens_nothing(self):
        for may in (None, 1, "yes", "", [True], object()):
            with self.assertRaisesRegex(TypeError, "may_read: expected True or False"):
                self.open("a", lambda user, name: may)
        with self.assertRaises(ZeroDivisionError):
            self.open("a", lambda user, name: 1 / 0)

    def test_a_user_that_is_no_id_is_an_error_without_its_text(self):
        class User:
            def __repr__(self):
                return "a-secret-password"

        with self.assertRaisesRegex(TypeError, "user: expected the ID") as failed:
            self.open("a", user=User)
        self.assertNotIn("secret", str(failed.exception))

    def test_options(self):
        token = self.claims(self.open("a/b", download=True, max_uses=1, expires_in=5))[1]
        self.assertEqual((token["disposition"], token["max_uses"], token["exp"] - token["iat"]), ("attachment", 1, 5))
        address, token = self.claims(self.open("a/b", mount="https://b.example/m/", filename=os.path.basename))
        self.assertEqual((address, token["filename"]), ("https://b.example/m/a/b", "b"))
        token = self.claims(self.open("a", filename=lambda name: "a" * 256))[1]
        self.assertEqual((token.get("filename"), token["disposition"]), (None, "attachment"))
        with self.assertRaisesRegex(TypeError, "Postern: unknown option logn"):
            self.open("a", logn="/login")
        for mount in ("/download", "download/", "//download/", None):
            with self.assertRaisesRegex(ValueError, "mount: expected"):
                self.open("a", mount=mount)

    def test_without_postern_the_answer_is_503(self):
        with self.assertLogs("postern_downloads", "ERROR") as logs:
            answer = self.open("a", tokens=DOWN)
        self.assertAnswer(answer, 503)
        self.assertEqual(answer[1]["Retry-After"], "5")
        self.assertRegex(logs.output[0], "Postern issued no token: unreachable")
        self.assertNotIn("a-secret-key", logs.output[0])
        rejected = PosternError("invalid_request", 400)
        rejected.errors = [{"pointer": "#/path", "detail": "no"}]
        with mock.patch.object(DOWN, "issue", side_effect=rejected), self.assertLogs("postern_downloads", "ERROR"):
            self.assertAnswer(self.open("a", tokens=DOWN), 404)
        # Nobody is redirected, or asked for, without permission.
        self.assertAnswer(self.open("a", lambda user, name: False, tokens=DOWN), 404)

    def test_a_post_gets_405(self):
        self.assertEqual(self.open("a", method="POST")[0], 405)


class Flask(Views, unittest.TestCase):
    def send(self, method, url, tokens, may_read, user, options):
        app = flask.Flask("app")
        app.testing = True
        app.add_url_rule("/files/<path:name>", "file", in_flask(tokens, may_read, user=user, **options))
        app.register_error_handler(404, lambda error: ("The page of the site", 404, {"Cache-Control": "max-age=60"}))
        response = app.test_client().open(url, method=method)
        return response.status_code, response.headers, response.text

    def test_the_application_shows_its_page_for_404_and_500(self):
        app = flask.Flask("app")
        view = in_flask(SIGNER, lambda user, name: 1 / int(name) > 1, user=lambda: 42, mount="/download/")
        app.add_url_rule("/files/<path:name>", "file", view)
        app.register_error_handler(404, lambda error: ("The page of the site", 404))
        response = app.test_client().get("/files/2")
        self.assertEqual(response.text, "The page of the site")
        with self.assertLogs("app", "ERROR"):
            response = app.test_client().get("/files/0")
        self.assertEqual((response.status_code, response.headers["Cache-Control"]), (500, "no-store"))


class FastAPI(Views, unittest.TestCase):
    def send(self, method, url, tokens, may_read, user, options):
        app = fastapi.FastAPI()
        view = in_fastapi(tokens, may_read, user=user, **options)
        app.add_api_route("/files/{name:path}", view, methods=["GET", "HEAD"])
        return asyncio.run(asgi(app, method, url))

    def test_a_rule_and_a_user_can_be_async(self):
        async def rule(user, name):
            await asyncio.sleep(0)
            return name == "a"

        async def user(request: fastapi.Request):
            return request.headers.get("none", "ada")

        self.assertEqual(self.claims(self.open("a", rule, user=user))[1]["sub"], "ada")
        self.assertAnswer(self.open("b", rule, user=user), 404)

        async def odd(user, name):
            return "yes"

        with self.assertRaisesRegex(TypeError, "may_read"):
            self.open("a", odd)


async def asgi(app, method, url):
    """As uvicorn calls an application. The client of Starlette decodes a path twice."""
    sent = []
    scope = {"type": "http", "http_version": "1.1", "method": method, "scheme": "http", "server": ("site.example", 80)}
    scope |= {"path": unquote(url), "raw_path": url.encode(), "root_path": "", "query_string": b"", "headers": []}

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    headers = {name.decode().title(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]).decode()

"""Runs against a Postern: POSTERN_API, POSTERN_API_KEY, and POSTERN_KEY_FILE of an issuer for /download/."""

import asyncio
import base64
import json
import os
import tempfile
import threading
import unittest
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from unittest import mock

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from postern_downloads import Postern, PosternError, Signer
from postern_downloads.signer import REVOKED_AHEAD

API, KEY, KEY_FILE = (os.environ[f"POSTERN_{name}"] for name in ("API", "API_KEY", "KEY_FILE"))
ISSUER = {"issuer": "https://shop.example", "audience": "urn:postern:download"}


class Against(unittest.TestCase):
    def setUp(self):
        self.postern = Postern(API, KEY)

    def fails(self, code, call, *args, **options):
        error = error_of(PosternError, call, *args, **options)
        self.assertEqual(error.code, code)
        return error

    def shows_no(self, secret, error):
        """Neither the error, nor a local variable of the client or the standard library."""
        self.assertNotIn(secret, str(error))
        self.assertIsNone(error.__context__)
        trace = error.__traceback__.tb_next
        self.assertIsNotNone(trace)
        while trace is not None:
            self.assertNotIn(secret, repr(trace.tb_frame.f_locals))
            trace = trace.tb_next


def error_of(kind, call, *args, **options):
    """As assertRaises, which drops the traceback."""
    try:
        call(*args, **options)
    except kind as error:
        return error
    raise AssertionError(f"{call} raises no {kind.__name__}")


class Tokens(Against):
    def test_issue_show_prolong_and_introspect(self):
        token = self.postern.issue(path="/download/a b.txt", subject="ada", max_uses=2)
        self.assertEqual(token["url"], f"/download/a%20b.txt?token={token['access_token']}")
        state = self.postern.show(token["id"])
        self.assertEqual((state["path"], state["subject"]), ("/download/a b.txt", "ada"))
        longer = self.postern.prolong(token["id"], 600)
        self.assertGreater(longer["exp"], state["exp"])
        self.assertTrue(self.postern.introspect(token["access_token"])["active"])

    def test_issue_many_keeps_the_order(self):
        paths = [f"/download/{number}" for number in range(201)]
        tokens = self.postern.issue_many({"path": path} for path in paths)
        self.assertEqual([token["url"].split("?")[0] for token in tokens], paths)

    def test_list_follows_the_cursor(self):
        bob = {"subject": f"bob {uuid.uuid4()}"}
        ids = {self.postern.issue(path="/download/a", **bob)["id"] for _ in range(3)}
        page = self.postern.list(limit=2, cursor=None, client=None, **bob)
        rest = self.postern.list(limit=2, cursor=page["next_cursor"], **bob)
        self.assertEqual({one["id"] for one in page["tokens"] + rest["tokens"]}, ids)

    def test_revoke_by_each_name(self):
        first, second = self.postern.issue_many([{"path": "/download/a", "subject": "eve"}] * 2)
        self.assertTrue(self.postern.revoke(first["id"]))
        self.assertFalse(self.postern.revoke(first["id"]))
        self.assertFalse(self.postern.revoke(".."))
        self.assertFalse(self.postern.introspect(first["access_token"])["active"])
        self.postern.revoke_token(second["access_token"])
        self.assertEqual(self.postern.revoke_subject("eve")["revoked"], 0)
        self.postern.issue(path="/download/a", subject="eve")
        for missing in ({"token": None}, {"iss": None, "jti": "a"}):
            revoke = self.postern.revoke_token if "token" in missing else self.postern.revoke_signed
            self.fails("invalid_request", revoke, **missing)
        self.fails("invalid_request", self.postern.introspect, None)
        self.assertEqual(self.postern.revoke_subject(None)["revoked"], 0)
        self.assertEqual(self.postern.revoke_subject("eve")["revoked"], 1)

    def test_errors_name_the_field(self):
        error = self.fails("invalid_request", self.postern.issue, path="/download/a", max_use=1)
        self.assertEqual(error.status, 400)
        self.assertEqual([one["pointer"] for one in error.errors], ["#/max_use"])
        self.assertIn("#/max_use", str(error))
        self.assertRegex(error.request_id, r"^[\w-]+$")
        self.fails("not_found", self.postern.show, "unknown")


class Keys(Against):
    def test_a_wrong_key_is_not_shown(self):
        wrong = Postern(API, lambda: "a-wrong-key")
        self.shows_no("a-wrong-key", self.fails("invalid_client", wrong.issue, path="/download/a"))
        closed = Postern("http://127.0.0.1:1", "a-wrong-key", retries=0)
        self.shows_no("a-wrong-key", self.fails("unreachable", closed.show, "a"))
        for key in ("a-wrong-key\n", "a-wrong-key ä"):
            self.shows_no("a-wrong-key", error_of(ValueError, Postern, API, key))
        with mock.patch("postern_downloads.client.wait", side_effect=OSError("too many open files")):
            wrong._idle.append((mock.Mock(), os.getpid(), float("inf")))
            self.shows_no("a-wrong-key", error_of(OSError, wrong.show, "a"))
        odd = Postern(API, "a-wrong-key")
        self.shows_no("a-wrong-key", error_of(TypeError, odd.issue, path=object()))

    def test_url_must_be_that_of_an_api(self):
        for url in ("127.0.0.1:7301", "ftp://a", "http://u:p@a/", "http://a/?b", "http://a/#b", "http://a:b/"):
            with self.assertRaises(ValueError, msg=url):
                Postern(url, KEY)


class Server(Against):
    """Servers that are not Postern, or do not work."""

    def setUp(self):
        self.asked, self.answers, self.bodies, self.connections = [], [], [], set()
        self.closed, self.together = threading.Event(), None
        test = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                test.asked.append((self.path, self.headers.get("Authorization")))
                test.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                test.connections.add(self.client_address)
                if test.together:
                    test.together.wait()
                status, headers, body = test.answers.pop(0)
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = "X-Closes" in headers

            do_POST = do_DELETE = do_GET

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            def shutdown_request(self, request):
                super().shutdown_request(request)
                test.closed.set()

        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.postern = Postern(self.url + "/api/", KEY)

    unavailable = (503, {}, b'{"code": "unavailable"}')

    def test_a_call_is_sent_again_if_that_is_safe(self):
        state = (200, {}, b'{"id": "a"}')
        for failure in (self.unavailable, (502, {}, b"<html>"), (None, {}, b"")):
            self.answers[:] = [failure, failure, state]
            self.assertEqual(self.postern.show("a"), {"id": "a"})
        self.assertEqual(self.asked[0], ("/api/tokens/a", f"Bearer {KEY}"))
        self.answers[:] = [self.unavailable] * 3
        self.fails("unavailable", self.postern.revoke, "a")
        self.asked.clear()
        self.answers[:] = [self.unavailable]
        self.fails("unavailable", self.postern.issue, path="/download/a")
        self.assertEqual(len(self.asked), 1)

    def test_calls_share_a_connection_until_the_server_closes_it(self):
        token = (201, {}, b'{"url": "a"}')
        self.answers[:] = [token, token, (201, {"X-Closes": ""}, token[2]), token]
        for _ in range(3):
            self.postern.issue(path="/download/a")
        self.assertEqual(len(self.connections), 1)
        self.closed.wait()
        self.postern.issue(path="/download/a")
        self.assertEqual(len(self.connections), 2)

    def test_a_forked_process_and_a_call_after_a_pause_use_other_connections(self):
        self.answers[:] = [(201, {}, b'{"url": "a"}')] * 3
        self.postern.issue(path="/download/a")
        with mock.patch("os.getpid", return_value=1):
            self.postern.issue(path="/download/a")
            self.assertEqual(len(self.connections), 2)
            with mock.patch("time.monotonic", return_value=1e9):
                self.postern.issue(path="/download/a")
        self.assertEqual(len(self.connections), 3)

    def test_calls_at_the_same_time_use_different_connections(self):
        self.together = threading.Barrier(4)
        self.answers[:] = [(201, {}, b'{"url": "a"}')] * 8
        with ThreadPoolExecutor(4) as threads:
            for _ in range(2):
                list(threads.map(lambda _: self.postern.issue(path="/download/a"), range(4)))
        self.assertEqual(len(self.connections), 4)

    def test_issue_many_sends_batches_that_postern_accepts(self):
        for requests, sizes in (
            ([{"path": "/download/a"}] * 200, [100, 100]),
            ([{"path": "/download/" + "a" * 2000, "target_args": "b" * 28000}] * 8, [4, 4]),
            ([], []),
        ):
            self.bodies.clear()
            self.answers[:] = [(201, {}, json.dumps([{}] * size).encode()) for size in sizes]
            self.assertEqual(self.postern.issue_many(iter(requests)), [{}] * len(requests))
            self.assertEqual([len(json.loads(body)) for body in self.bodies], sizes)
            self.assertLessEqual(max(map(len, self.bodies), default=0), 128 << 10)

    def test_a_pause_beyond_the_time_out_is_not_waited_for(self):
        self.answers[:] = [(503, {"Retry-After": "5"}, b'{"code": "unavailable"}')]
        error = self.fails("unavailable", Postern(self.url, KEY, timeout=4).show, "a")
        self.assertEqual(error.retry_after, 5)
        for odd in ("-5", "Wed, 21 Oct 2026 07:28:00 GMT", "\xb2", "9" * 400):
            self.answers[:] = [(503, {"Retry-After": odd}, b'{"code": "unavailable"}')]
            self.assertIsNone(self.fails("unavailable", Postern(self.url, KEY, retries=0).show, "a").retry_after)

    def test_an_id_names_no_other_endpoint(self):
        for id in ("..", "../readyz", "a?b", "a/b", ""):
            self.answers[:] = [(404, {}, b'{"code": "not_found"}')]
            self.fails("not_found", self.postern.show, id)
        self.assertEqual({path for path, _ in self.asked}, {"/api/tokens/-"})

    def test_a_redirect_is_not_followed(self):
        self.answers[:] = [(302, {"Location": self.url + "/elsewhere"}, b"")]
        self.fails("unexpected_response", self.postern.show, "a")
        self.assertEqual(len(self.asked), 1)

    def test_a_proxy_is_not_used(self):
        os.environ["http_proxy"] = self.url
        self.addCleanup(os.environ.pop, "http_proxy")
        self.assertEqual(Postern(API, KEY).revoke_subject("nobody")["revoked"], 0)
        self.assertEqual(self.asked, [])

    def test_a_response_of_another_server_is_an_error(self):
        odd = [b"<html>", b"[]", b"{}", b"", b'{"code": "invalid_request"}', b"\xff"]
        for body in odd:
            self.answers[:] = [(200, {}, body)]
            self.fails("unexpected_response", self.postern.show, "a")
            self.answers[:] = [(201, {}, body)]
            self.fails("unexpected_response", self.postern.issue_many, [{"path": "/download/a"}])
        self.answers[:] = [(200, {}, b"<html>")]
        self.fails("unexpected_response", self.postern.revoke_token, "a")
        for body in (b"[]", b'{"errors": 1}', b"null"):
            self.answers[:] = [(400, {}, body)]
            self.fails("unexpected_response", self.postern.show, "a")

    def test_a_server_that_does_not_answer_is_a_time_out(self):
        silent = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        self.addCleanup(silent.server_close)
        slow = Postern(f"http://127.0.0.1:{silent.server_port}", KEY, timeout=0.2)
        self.fails("timeout", slow.show, "a")


class Asynchronous(unittest.IsolatedAsyncioTestCase):
    async def test_a_call_returns_or_raises_what_the_method_does(self):
        postern = Postern(API, KEY)
        token = await postern.to_thread(postern.issue, path="/download/a", subject="ada")
        self.assertEqual((await postern.to_thread(postern.show, token["id"]))["subject"], "ada")
        with self.assertRaises(PosternError) as failed:
            await postern.to_thread(postern.issue, path="/elsewhere/a")
        self.assertEqual(failed.exception.status, 400)

    async def test_a_call_has_the_context_variables_of_its_caller(self):
        postern, user = Postern(API, KEY), ContextVar("user")
        user.set("ada")
        self.assertEqual(await postern.to_thread(user.get), "ada")

    async def test_a_forked_process_has_its_own_threads(self):
        postern = Postern(API, KEY, threads=1)
        parent = await postern.to_thread(threading.get_ident)
        with mock.patch("os.getpid", return_value=1):
            self.assertNotEqual(await postern.to_thread(threading.get_ident), parent)

    async def test_a_postern_that_hangs_delays_nothing_else(self):
        silent = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        postern = Postern(f"http://127.0.0.1:{silent.server_port}", KEY, timeout=60)
        calls = (postern.to_thread(postern.issue, path="/download/a") for _ in range(100))
        hanging = [asyncio.create_task(call) for call in calls]
        for _ in range(100):
            await asyncio.to_thread(lambda: None)
        self.assertFalse(any(task.done() for task in hanging))
        silent.server_close()
        errors = await asyncio.gather(*hanging, return_exceptions=True)
        self.assertEqual({error.code for error in errors}, {"unreachable"})

    async def test_a_call_that_waits_for_a_thread_longer_than_the_time_out_is_not_begun(self):
        postern, begun, end = Postern(API, KEY, timeout=0.1, threads=1), [], threading.Event()
        self.addCleanup(end.set)
        calls = (postern.to_thread(lambda: begun.append(1) or end.wait(5)) for _ in range(3))
        errors = await asyncio.gather(*calls, return_exceptions=True)
        self.assertEqual(([error.code for error in errors], len(begun)), (["timeout"] * 3, 1))


class Signed(Against):
    def test_a_signed_token_is_revoked_by_its_name(self):
        signed = Signer(KEY_FILE, **ISSUER).sign(path="/download/a b", subject="ada", expires_in=60)
        self.assertEqual(signed["url"], f"/download/a%20b?token={signed['access_token']}")
        self.assertTrue(self.postern.introspect(signed["access_token"])["active"])
        exp = jwt.decode(signed["access_token"], options={"verify_signature": False})["exp"]
        with mock.patch.object(self.postern, "_send", wraps=self.postern._send) as send:
            self.postern.revoke_signed(iss=ISSUER["issuer"], jti=signed["jti"], exp=signed["exp"])
        # Without its end, the revocation would never expire.
        self.assertRegex(send.call_args[0][2], f"&exp={exp}$")
        self.assertFalse(self.postern.introspect(signed["access_token"])["active"])

    def test_a_requester_can_resume_after_the_start(self):
        limits = {"max_uses": 1, "resume_for": 600, "subject": "ada"}
        signed = Signer(KEY_FILE, **ISSUER).sign(path="/download/a", expires_in=60, **limits)
        token = jwt.decode(signed["access_token"], options={"verify_signature": False})
        self.assertEqual(token["start_by"] - token["iat"], 60)
        self.assertEqual(token["exp"] - token["iat"], 660)
        self.assertEqual(token["sub"], "ada")
        self.assertEqual(token["jti"], signed["jti"])

    def test_a_folder_has_no_url(self):
        self.assertNotIn("url", Signer(KEY_FILE, **ISSUER).sign(prefix="/download/", expires_in=60))

    def test_what_a_signed_token_cannot_have_is_an_error(self):
        sign = Signer(KEY_FILE, **ISSUER).sign
        for wrong in ({"pin": "4711"}, {"iss": "x"}, {"sub": "x"}, {"jti": "x"}, {"exp": 1}):
            with self.assertRaises(TypeError, msg=wrong):
                sign(path="/download/a", expires_in=60, **wrong)
        for seconds in (0, -1, None, "60", 1.5):
            with self.assertRaises(TypeError, msg=seconds):
                sign(path="/download/a", expires_in=seconds)

    def test_a_wrong_key_file_is_an_error_that_does_not_show_the_key(self):
        with open(KEY_FILE, encoding="utf-8") as file:
            key = json.load(file)["keys"][0]
        public = {name: value for name, value in key.items() if name != "d"}
        keys = [
            {**key, "kid": None},
            {**key, "alg": "HS256"},
            {**key, "crv": "P-1"},
            {**key, "alg": "ES384"},
            public,
        ]
        for text in ["", "[]", "{}", '{"keys": []}', *(json.dumps({"keys": [k]}) for k in keys)]:
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                file.write(text)
                file.flush()
                self.shows_no(key["d"], error_of(ValueError, Signer, file.name, **ISSUER))
        with self.assertRaises(ValueError):
            Signer(KEY_FILE, kid="another", **ISSUER)
        with self.assertRaises(FileNotFoundError):
            Signer(KEY_FILE + ".missing", **ISSUER)
        self.assertTrue(Signer(KEY_FILE, kid=key["kid"], **ISSUER).sign(path="/a", expires_in=1))

    def test_a_wrong_field_is_an_error_that_does_not_show_the_key(self):
        with open(KEY_FILE, encoding="utf-8") as file:
            secret = json.load(file)["keys"][0]["d"]
        signer = Signer(KEY_FILE, **ISSUER)
        for wrong in ({"subject": uuid.uuid4()}, {"path": None}, {"resume_for": "3600"}, {"cache_for": 600}):
            fields = {"path": "/download/a", "expires_in": 60, **wrong}
            self.shows_no(secret, error_of((TypeError, ValueError), signer.sign, **fields))

    def test_a_key_file_is_read_whenever_it_was_changed(self):
        with open(KEY_FILE, encoding="utf-8") as file:
            key = json.load(file)["keys"][0]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "key.json")

            def replace(kid):
                with open(f"{path}.new", "w", encoding="utf-8") as file:
                    json.dump({"keys": [{**key, "kid": kid}]}, file)
                os.utime(f"{path}.new", (0, 0))
                os.replace(f"{path}.new", path)

            replace("old")
            signer = Signer(path, **ISSUER)
            replace("new")
            token = signer.sign(path="/download/a", expires_in=60)["access_token"]
            self.assertEqual(jwt.get_unverified_header(token)["kid"], "new")


class Cached(unittest.TestCase):
    """Links that stay equal."""

    def setUp(self):
        def text(raw):
            return base64.urlsafe_b64encode(raw).decode().rstrip("=")

        key = Ed25519PrivateKey.generate()
        public, private = text(key.public_key().public_bytes_raw()), text(key.private_bytes_raw())
        jwk = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "a", "x": public, "d": private}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"keys": [jwk]}, file)
            file.flush()
            self.signer = Signer(file.name, **ISSUER)

    def sign(self, now, **request):
        """The token and its claims."""
        with mock.patch("time.time", return_value=now):
            token = self.signer.sign(**{"path": "/download/a", "expires_in": 60, "cache_for": 600, **request})
        claims = jwt.decode(token["access_token"], options={"verify_signature": False})
        return token["access_token"], claims

    def test_links_are_equal_for_their_time_and_valid_long_enough(self):
        first, claims = self.sign(600_000)
        self.assertEqual(self.sign(600_599.9)[0], first)
        self.assertEqual((claims["iat"], claims["exp"]), (600_000, 600_660))
        later, claims = self.sign(600_600)
        self.assertNotEqual(later, first)
        self.assertEqual(claims["iat"], 600_600)

    def test_another_claim_or_key_makes_another_name(self):
        names = {self.sign(600_000, **more)[1]["jti"] for more in ({}, {"subject": "a"}, {"path": "/download/b"})}
        self.setUp()
        names.add(self.sign(600_000)[1]["jti"])
        self.assertEqual(len(names), 4)

    def test_a_link_with_uses_or_a_confirmation_is_always_new(self):
        for limits in ({"max_uses": 1}, {"resume_for": 60}, {"confirm": True}):
            self.assertNotEqual(*(self.sign(600_000, **limits)[0] for _ in range(2)))

    def test_a_login_ends_the_links_before_it(self):
        before = self.sign(600_100, since=500_000)[0]
        login = 600_200
        settled = login + REVOKED_AHEAD
        self.assertNotEqual(*(self.sign(settled - 1, since=login)[0] for _ in range(2)))
        self.assertEqual(self.sign(settled - 1, since=login)[1]["iat"], settled - 1)
        after, claims = self.sign(settled, since=login)
        self.assertEqual(after, self.sign(600_599, since=login)[0])
        self.assertNotEqual(after, before)
        self.assertEqual((claims["iat"], claims["exp"]), (settled, 600_660))

    def test_a_key_whose_signatures_differ_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "cache_for"):
            Signer(KEY_FILE, **ISSUER).sign(path="/download/a", expires_in=60, cache_for=600)

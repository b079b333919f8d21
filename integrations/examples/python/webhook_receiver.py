"""A receiver of Postern's events, with Python's standard library. In place of `seen`, use a table of your database."""

import base64, hashlib, hmac, json, os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
seen = set()

class Receiver(BaseHTTPRequestHandler):
    timeout = 10

    def do_POST(self):
        body = self.rfile.read(max(0, min(int(self.headers.get("Content-Length", 0)), 65536)))
        message, sent = self.headers.get("Webhook-Id", ""), self.headers.get("Webhook-Timestamp", "")
        signed = f"{message}.{sent}.".encode() + body
        expected = b"v1," + base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256))
        given = self.headers.get("Webhook-Signature", "").encode().split()
        ok = any(hmac.compare_digest(expected, one) for one in given) and abs(time.time() - int(sent)) < 300
        if ok and message not in seen:
            event = json.loads(body)
            print(event["type"], event["data"].get("token_id"), flush=True)
            seen.add(message)
        self.send_response(204 if ok else 401)
        self.end_headers()

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver).serve_forever()

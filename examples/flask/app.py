"""Redirects a user to a file. `may_read` is your rule, and postern.py is in ../python."""

import os

from flask import Flask, abort, redirect, session

from postern import issue
from rules import may_read

app = Flask(__name__)
app.secret_key = os.environ["SESSION_SECRET"]


@app.get("/files/<name>")
def download(name):
    user = session.get("user_id")
    if user is None:
        return redirect("/login", 303)
    if not may_read(user, name):
        abort(404)
    url = issue(f"/download/{name}", user)
    if url is None:
        return "The file is not available.", 503, {"Retry-After": "5"}
    response = redirect(url, 303)
    response.headers.update({"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    return response

"""Redirects a user to a file. `may_read` is your rule."""

import logging
import os

from flask import Flask, abort, redirect, session
from postern_downloads import Postern, PosternError

from rules import may_read

app = Flask(__name__)
app.secret_key = os.environ["SESSION_SECRET"]
postern = Postern(os.environ["POSTERN_API"], os.environ["POSTERN_API_KEY"], timeout=5)


@app.get("/files/<name>")
def download(name):
    user = session.get("user_id")
    if user is None:
        return redirect("/login", 303)
    if not may_read(user, name):
        abort(404)
    try:
        token = postern.issue(path=f"/download/{name}", subject=str(user))
    except PosternError as error:
        if any(one["pointer"] == "#/path" for one in error.errors):
            abort(404)
        logging.error("Postern issued no token: %s", error)
        return "The file is not available.", 503, {"Retry-After": "5"}
    response = redirect(token["url"], 303)
    response.headers.update({"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    return response

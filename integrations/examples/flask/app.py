"""Permanent addresses of files, which check the user at each click. `may_read` is your rule."""

import os

from flask import Flask, session
from postern_downloads import Postern
from postern_downloads.flask import redirect_to_file

from rules import may_read

app = Flask(__name__)
app.secret_key = os.environ["SESSION_SECRET"]
postern = Postern(os.environ["POSTERN_API"], os.environ["POSTERN_API_KEY"], timeout=5)


def user_id():
    return session.get("user_id")


file = redirect_to_file(postern, may_read, mount="/download/", user=user_id, login="/login")
app.add_url_rule("/files/<path:name>", "file", file)

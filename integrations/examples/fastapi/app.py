"""Permanent addresses of files, which check the user at each click. `may_read` is your rule. It can be `async`."""

import os

from fastapi import FastAPI, Request
from postern_downloads import Postern
from postern_downloads.fastapi import redirect_to_file
from starlette.middleware.sessions import SessionMiddleware

from rules import may_read

app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key=os.environ["SESSION_SECRET"])
postern = Postern(os.environ["POSTERN_API"], os.environ["POSTERN_API_KEY"], timeout=5)


def user_id(request: Request):
    return request.session.get("user_id")


file = redirect_to_file(postern, may_read, mount="/download/", user=user_id, login="/login")
app.add_api_route("/files/{name:path}", file, methods=["GET", "HEAD"])

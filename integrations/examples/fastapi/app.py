"""Redirects a user to a file, in FastAPI or Starlette. `may_read` is your rule. While Postern hangs, other requests run."""

import logging
import os

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from postern_downloads import Postern, PosternError
from starlette.middleware.sessions import SessionMiddleware

from rules import may_read

app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key=os.environ["SESSION_SECRET"])
postern = Postern(os.environ["POSTERN_API"], os.environ["POSTERN_API_KEY"], timeout=5)


@app.get("/files/{name}")
async def download(request: Request, name: str):
    user = request.session.get("user_id")
    if user is None:
        return RedirectResponse("/login", 303)
    if not may_read(user, name):
        return Response(status_code=404)
    try:
        token = await postern.to_thread(postern.issue, path=f"/download/{name}", subject=str(user))
    except PosternError as error:
        if any(one["pointer"] == "#/path" for one in error.errors):
            return Response(status_code=404)
        logging.error("Postern issued no token: %s", error)
        return Response("The file is not available.", 503, {"Retry-After": "5"})
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(token["url"], 303, headers)

import os

import uvicorn
from app import app
from fastapi import Request


@app.get("/test-login")
async def login(request: Request):
    request.session["user_id"] = 42


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")

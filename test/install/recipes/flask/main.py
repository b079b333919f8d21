import os
from app import app
from flask import session

@app.get("/test-login")
def login():
    session["user_id"] = 42
    return ""

app.run("127.0.0.1", int(os.environ["PORT"]))

"""Issues tokens of Postern, with Python's standard library. For the views of ../django and ../flask."""

import json
import logging
import os
from urllib.request import Request, urlopen


def issue(path, user):
    """Returns the URL of a new token, or None if there is none."""
    token = json.dumps({"path": path, "subject": str(user)}).encode()
    request = Request(f"{os.environ['POSTERN_API']}/tokens", token, {"Content-Type": "application/json"})
    # A redirect does not get this header.
    request.add_unredirected_header("Authorization", f"Bearer {os.environ['POSTERN_API_KEY']}")
    try:
        with urlopen(request, timeout=5) as answer:
            return json.load(answer)["url"]
    except Exception as error:  # Error pages and trackers show local variables, and so the key.
        logging.error("Postern issued no token: %s", error)
        return None

"""The same application, whose links Postern issues: it can revoke all links of a user."""

import os

from settings import *

DJANGO_POSTERN = {
    "mount": "/download/",
    "tokens": "issued",
    "api": os.environ["POSTERN_API"],
    "api_key": os.environ["POSTERN_API_KEY"],
}

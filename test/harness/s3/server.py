"""OpenStack Swift with its S3 interface, in one process, for tests: server.py <folder> <port>

The proxy and the account, container and object servers are the ones of Debian's packages. The port
accepts only requests with a valid AWS signature, which s3api and tempauth check.

<folder>/objects.json names what to store first: {"bucket": {"key": "file with the content"}}.
"""

import array
import json
import os
import sys

import eventlet

eventlet.monkey_patch()

import eventlet.wsgi
from paste.deploy import loadapp
from swift.common import utils
from swift.common.ring import RingData
from swift.common.storage_policy import reload_storage_policies
from swift.common.swob import Request
from urllib.parse import quote

FOLDER, PORT = sys.argv[1], int(sys.argv[2])
ACCOUNT, USER = os.environ["S3_ACCESS_KEY"].split(":")

SWIFT = """
[swift-hash]
swift_hash_path_suffix = tests
[storage-policy:0]
name = one
default = yes
"""

PROXY = f"""
[pipeline:main]
pipeline = catch_errors gatekeeper s3api tempauth listing_formats slo proxy-server
[pipeline:unsigned]
pipeline = listing_formats proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:s3api]
use = egg:swift#s3api
location = {os.environ["S3_REGION"]}
dns_compliant_bucket_names = false
storage_domains = s3.localhost
[filter:tempauth]
use = egg:swift#tempauth
user_{ACCOUNT}_{USER} = {os.environ["S3_SECRET_KEY"]} .admin
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:slo]
use = egg:swift#slo
"""


class Cache(dict):
    """Replaces memcached, which would be one more server."""

    def set(self, key, value, *_, **__):
        self[key] = value

    def get(self, key, **_):
        return dict.get(self, key)

    def delete(self, key, **_):
        self.pop(key, None)

    def __bool__(self):
        return True


CACHE = Cache()


def with_cache(app):
    def cached(environ, start_response):
        environ["swift.cache"] = CACHE
        return app(environ, start_response)

    return cached


def write(name, text):
    path = os.path.join(FOLDER, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def load(kind, text, name="main"):
    settings = {
        "swift_dir": FOLDER,
        "devices": os.path.join(FOLDER, "devices"),
        "recon_cache_path": os.path.join(FOLDER, "recon"),
        "mount_check": "false",
        "disable_fallocate": "true",
        "fallocate_reserve": "0",
        "log_level": "CRITICAL",
        "client_timeout": "600",
    }
    defaults = "".join(f"{key} = {value}\n" for key, value in settings.items())
    path = write(f"{kind}.conf", f"[DEFAULT]\n{defaults}{text}")
    return loadapp(f"config:{path}", name=name)


def serve(app, listener):
    eventlet.spawn(
        eventlet.wsgi.server,
        listener,
        app,
        log_output=False,
        max_size=1024,
        capitalize_response_headers=False,
    )


def listen(port):
    return eventlet.listen(("127.0.0.1", port), backlog=1024)


def store(proxy, path, file=None):
    request = Request.blank(quote(path), method="PUT")
    if file is not None:
        request.environ["wsgi.input"] = open(file, "rb")
        request.content_length = os.path.getsize(file)
    response = request.get_response(proxy)
    if response.status_int != 201:
        raise SystemExit(f"{path}: {response.status}")


def main():
    for name in ("devices/disk", "recon"):
        os.makedirs(os.path.join(FOLDER, name))
    write("swift.conf", SWIFT)
    utils.set_swift_dir(FOLDER)
    utils.validate_configuration()
    reload_storage_policies()
    # A ring with one device names the server of each kind.
    for kind in ("account", "container", "object"):
        listener = listen(0)
        address = {"ip": "127.0.0.1", "port": listener.getsockname()[1]}
        replication = {f"replication_{key}": value for key, value in address.items()}
        device = {"id": 0, "region": 1, "zone": 0, "weight": 1, "device": "disk"}
        ring = RingData([array.array("H", [0])], [{**device, **address, **replication}], 32)
        ring.save(os.path.join(FOLDER, f"{kind}.ring.gz"))
        serve(load(kind, f"[app:main]\nuse = egg:swift#{kind}\n"), listener)

    unsigned = with_cache(load("proxy", PROXY, "unsigned"))
    with open(os.path.join(FOLDER, "objects.json")) as file:
        buckets = json.load(file)
    for bucket, objects in buckets.items():
        store(unsigned, f"/v1/AUTH_{ACCOUNT}/{bucket}")
        for key, path in objects.items():
            store(unsigned, f"/v1/AUTH_{ACCOUNT}/{bucket}/{key}", path)
    serve(with_cache(load("proxy", PROXY)), listen(PORT))
    print("ready", flush=True)
    eventlet.sleep(3600)


main()

import json
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from ...checks import postern_storages

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


class Command(BaseCommand):
    help = "Prints this application's public keys, and its entry for `issuers` in postern.yaml."

    def add_arguments(self, parser):
        parser.add_argument("--jwks", action="store_true", help="print only the public keys")

    def handle(self, *, jwks, **options):
        storages = [storage for storage in postern_storages() if storage.is_signed]
        if not storages:
            raise CommandError("STORAGES has no storage of Postern that signs")
        private = json.loads(Path(storages[0].signing["key_file"]).read_text())["keys"]
        keys = [{name: value for name, value in key.items() if name not in PRIVATE} for key in private]
        entry = {
            "id": "django",
            "issuer": storages[0].signing["issuer"],
            "audience": storages[0].signing["audience"],
            "jwks_file": "/etc/postern/django.json",
            "trusted_for": "downloads",
            "algorithms": sorted({key["alg"] for key in keys}),
            "paths": sorted({":".join(filter(None, (one.fields["site"], one.place.prefix))) for one in storages}),
            "max_expires_in": max(3600, *(storage.expire + storage.cache_for for storage in storages)),
            # The API key that may revoke these tokens.
            "client": "web",
        }
        text = json.dumps({"keys": keys}, separators=(",", ":"))
        # JSON is also YAML.
        lines = "\n    ".join(f"{name}: {json.dumps(value)}" for name, value in entry.items())
        whole = f"# /etc/postern/django.json\n{text}\n\n# postern.yaml\nissuers:\n  - {lines}"
        self.stdout.write(text if jwks else whole)

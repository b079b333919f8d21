#!/bin/sh
# Makes an apt repository of the Debian packages in a folder, without subfolders, and signs it with the key in
# APT_SIGNING_KEY. Called by .github/workflows/release.yml.
set -eu

cd "$1"
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'rm -rf "$GNUPGHOME"' EXIT
printf '%s\n' "$APT_SIGNING_KEY" | gpg --batch --quiet --import

for package in *.deb; do
  dpkg-deb --field "$package"
  printf 'Filename: %s\nSize: %s\nSHA256: %s\n\n' "$package" "$(stat --format %s "$package")" \
    "$(sha256sum "$package" | cut -d ' ' -f 1)"
done > Packages
{
  printf 'Origin: Postern\nLabel: Postern\nSuite: stable\n'
  LC_ALL=C date -u '+Date: %a, %d %b %Y %H:%M:%S UTC'
  printf 'SHA256:\n %s %s Packages\n' "$(sha256sum Packages | cut -d ' ' -f 1)" \
    "$(stat --format %s Packages)"
} > "$GNUPGHOME/Release"
gpg --batch --yes --clearsign --output InRelease "$GNUPGHOME/Release"
gpg --batch --yes --export --output postern.gpg

#!/bin/sh
# Pushes the chart of a release as an OCI artifact to the registry of GitHub. Called by .github/workflows/release.yml, with
# TOKEN, and the folder of the release. Writes `name` and `digest` to GITHUB_OUTPUT.
set -eu

registry=ghcr.io
name=$(printf '%s/%s/charts' "$registry" "$GITHUB_REPOSITORY_OWNER" | tr '[:upper:]' '[:lower:]')
version=${GITHUB_REF_NAME#v}

# For Helm, and for cosign, which signs the chart.
printf %s "$TOKEN" | docker login "$registry" --username "$GITHUB_ACTOR" --password-stdin
printf %s "$TOKEN" | helm registry login "$registry" --username "$GITHUB_ACTOR" --password-stdin
# Helm reports the digest on standard error.
helm push "$1/assets/postern-chart-$version.tgz" "oci://$name" 2>&1 | tee push.txt
digest=$(sed -n 's/^Digest: *\(sha256:[0-9a-f]\{64\}\)$/\1/p' push.txt)
[ -n "$digest" ]

printf 'name=%s/postern\ndigest=%s\n' "$name" "$digest" >> "$GITHUB_OUTPUT"

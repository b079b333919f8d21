#!/bin/sh
# Builds the image for two platforms and pushes it to the registry of GitHub. Called by
# .github/workflows/release.yml, with TOKEN. Writes `name` and `digest` to GITHUB_OUTPUT.
set -eu

registry=ghcr.io
name=$(printf '%s/%s' "$registry" "$GITHUB_REPOSITORY" | tr '[:upper:]' '[:lower:]')
version=${GITHUB_REF_NAME#v}

printf %s "$TOKEN" | docker login "$registry" --username "$GITHUB_ACTOR" --password-stdin
docker buildx create --use --driver docker-container
# A version before 1.0, or a candidate, is never `latest`.
case $version in
  0.* | *-*) latest='' ;;
  *) latest="--tag $name:latest" ;;
esac
# shellcheck disable=SC2086 # two words, or none
docker buildx build . --platform linux/amd64,linux/arm64 --push --metadata-file metadata.json \
  --sbom=true --provenance=mode=max --tag "$name:$version" $latest \
  --label "org.opencontainers.image.source=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" \
  --label "org.opencontainers.image.revision=$GITHUB_SHA" \
  --label "org.opencontainers.image.version=$version" \
  --label org.opencontainers.image.licenses=MIT
digest=$(node -p 'require("./metadata.json")["containerimage.digest"]')

printf 'name=%s\ndigest=%s\n' "$name" "$digest" >> "$GITHUB_OUTPUT"

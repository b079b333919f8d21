# docs/start/getting-started.md on a Debian machine with two HTTPS sites, run by getting-started.test.ts in a copy of the
# root file system without a network. The test writes the blocks of the page to /mnt. The working directory is the folder
# with Postern's source code.

fail() { echo "FAILED: $*"; exit 1; }
is() { [ "$2" = "$3" ] || fail "$1: expected $3, got $2"; }
# Runs a command until it prints a text.
until_is() {
  attempts=0
  until [ "$(eval "$1")" = "$2" ]; do
    attempts=$((attempts + 1))
    [ -z "${service-}" ] || kill -0 "$service" 2>/dev/null || fail "Postern has ended: $(cat /tmp/postern.log)"
    [ "$attempts" -lt 1500 ] || fail "$1 never printed $2: $(cat /tmp/postern.log /var/log/nginx/error.log)"
    sleep 0.1
  done
}
# The response of a site on port 443, and its status.
site() { curl -sSk --connect-to ::127.0.0.1: "https://$1$2" -w '%{http_code}'; }
status() { curl -sS -o /tmp/body -w '%{http_code}' "http://127.0.0.1:8080$1"; }

others_are_as_before() {
  for name in shop other; do
    is "$name" "$(site $name.example /)" "the ${name}200"
    is "$name, public prefix" "$(site $name.example /download/hello.txt)" 'not here404'
    is "$name, internal prefix" "$(site $name.example /protected/hello.txt)" 'not here404'
  done
  is 'the link' "$(readlink /etc/nginx/sites-enabled/sites)" /etc/nginx/sites-available/sites
  cmp /etc/nginx/sites-available/sites /mnt/sites
  cmp /etc/nginx/nginx.conf /tmp/nginx.conf
}

echo '== a machine with nginx and two HTTPS sites'
export USER=root
printf '#!/bin/sh\nexec "$@"\n' > /usr/local/bin/sudo
printf '#!/bin/sh\n[ "$*" = "reload nginx" ] && exec nginx -s reload\n' > /usr/local/bin/systemctl
chmod +x /usr/local/bin/sudo /usr/local/bin/systemctl
mkdir -p /var/log/nginx /var/lib/nginx /etc/nginx/conf.d /etc/nginx/sites-available /etc/nginx/sites-enabled
rm -f /etc/nginx/sites-enabled/*
cp /mnt/sites /etc/nginx/sites-available/sites
ln -s /etc/nginx/sites-available/sites /etc/nginx/sites-enabled/sites
cp /etc/nginx/nginx.conf /tmp/nginx.conf
nginx
others_are_as_before

echo '== steps 1 to 3'
# npm ci needs a network. test/readme.test.ts runs it, in a fresh copy.
npm() { [ "$1" = ci ] || command npm "$@"; }
. /mnt/build.sh
. /mnt/folders.bash
cp /mnt/site.nginx /etc/nginx/conf.d/postern.conf
. /mnt/reload.bash
until_is 'status /download/hello.txt' 503
others_are_as_before

echo '== steps 4 and 5'
sh /mnt/start.sh > /tmp/postern.log 2>&1 &
service=$!
until_is 'status /download/hello.txt' 401
url=$(sh /mnt/issue.sh | node -e 'process.stdin.on("data", (text) => console.log(JSON.parse(text).url))')
is 'the file' "$(curl -sS "http://127.0.0.1:8080$url")" hello
is 'another file' "$(status "/download/other.txt?${url#*\?}")" 403
is 'the internal location' "$(status /protected/hello.txt)" 404
is 'the findings' "$(nginx -VT 2>&1 | npm run --silent doctor -- --config --mounts /download/=/protected/ |
  grep -o '\[[a-z-]*\]$' | grep -v known-hole)" '[descriptors]
[jit]'
! grep -r 'ps_' /var/log/nginx || fail 'a token in the log'

echo '== step 8: HTTPS'
sed -i 's|listen 127.0.0.1:8080;|listen 443 ssl; ssl_certificate /mnt/cert.pem; ssl_certificate_key /mnt/key.pem;|' \
  /etc/nginx/conf.d/postern.conf
. /mnt/reload.bash
# This compares the whole response, because a worker with the old configuration can answer the next request.
until_is "site files.example '$url'" "$(printf 'hello\n200')"
others_are_as_before
echo '== done'

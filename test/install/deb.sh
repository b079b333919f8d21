# Installs, runs, reinstalls, removes and purges the package on Debian. deb.test.ts runs this in a copy of the root
# file system without a network. $DEB is the package, $KEY an API key, $KEY_SHA256 its hash. systemd does not run: the commands of the unit
# are started by hand.

fail() { echo "FAILED: $*"; exit 1; }
is() { [ "$2" = "$3" ] || fail "$1: expected $3, got $2"; }
setting() { sed -n "s/^$1=//p" /usr/lib/systemd/system/postern@.service | head -1; }

echo '== install'
dpkg --install "$DEB"
getent passwd postern >/dev/null || fail 'there is no user postern'
is 'mode of postern.yaml' "$(stat -c '%U:%G %a' /etc/postern/postern.yaml)" 'root:postern 640'
is 'mode of its folder' "$(stat -c '%U:%G %a' /etc/postern)" 'root:postern 750'
postern --version
for page in /usr/share/man/man1/postern*.gz; do
  [ -z "$(man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)" ] || fail "$page has warnings"
done

echo '== without an API key, the service says what is missing'
export "$(setting Environment)"
cd "$(setting WorkingDirectory)"
as_postern='setpriv --reuid postern --regid postern --clear-groups --no-new-privs'
status=0; $as_postern $(setting ExecStart) 2>/tmp/refused || status=$?
is 'exit status without a key' "$status" 2
grep -q 'POSTERN_API_KEYS' /tmp/refused || fail "no reason: $(cat /tmp/refused)"
status=0; env -u POSTERN_CONFIG postern check 2>/tmp/refused || status=$?
is 'exit status of the check without a key' "$status" 2

echo '== configure'
printf 'api_keys:\n  - id: web\n    key: sha256:%s\n' "$KEY_SHA256" >> /etc/postern/postern.yaml
$as_postern $(setting ExecReload)
is 'postern check without a variable' "$(env -u POSTERN_CONFIG postern check)" \
  'The configuration is valid: 1 mount, 1 API key, 0 issuers.'
redis-server --bind 127.0.0.1 --save '' --daemonize yes >/dev/null

echo '== start'
gate=$(sed -n 's/^ListenStream=//p' /usr/lib/systemd/system/postern-gate.socket)
api=$(sed -n 's/^ListenStream=//p' /usr/lib/systemd/system/postern-api.socket)
mkdir "$(dirname "$gate")"
systemd-socket-activate --listen "$gate" --listen "$api" --fdname gate:api --setenv POSTERN_CONFIG \
  $as_postern $(setting ExecStart) > /tmp/postern.log 2>&1 &
service=$!
ready() { node -e "fetch('http://127.0.0.1:7301/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"; }
attempts=0
until ready; do
  attempts=$((attempts + 1)); [ "$attempts" -lt 100 ] || fail "not ready: $(cat /tmp/postern.log)"
done
chgrp "$(sed -n 's/^SocketGroup=//p' /usr/lib/systemd/system/postern-gate.socket)" "$gate"; chmod 660 "$gate"

echo '== protect a file with the snippets of the package'
mkdir -p /srv/files /etc/nginx
echo hello > /srv/files/hello.txt
cp -r /usr/share/postern/nginx/snippets /etc/nginx/postern
cp /usr/share/postern/nginx/nginx.conf /etc/nginx/nginx.conf
usermod -aG postern-gate www-data
setpriv --reuid www-data --regid www-data --init-groups ls /etc/postern 2>/dev/null && fail 'nginx can read the configuration'
sed -i '1i user www-data;' /etc/nginx/nginx.conf
nginx
url=$(POSTERN_API_KEY=$KEY postern token issue --path /download/hello.txt)
get() { node -e 'fetch(process.argv[1]).then(async (r) => console.log(r.status, await r.text()))' "http://127.0.0.1:8080$1"; }
is 'with the token' "$(get "$url")" '200 hello'
case "$(get /download/hello.txt)" in 401*) ;; *) fail 'a file without a token' ;; esac

echo '== stop'
kill -TERM "$service"
status=0; wait "$service" || status=$?
is 'exit status after SIGTERM' "$status" 0
[ -S "$gate" ] || fail 'the service removed the socket of its supervisor'

echo '== install again: the configuration stays, dpkg asks nothing, and one process restarts after the other'
chmod 600 /etc/postern/postern.yaml
# These note what the package asks of systemd. A process answers a second after its restart.
mkdir -p /run/systemd/system
cat > /usr/local/bin/systemctl <<'EOF'
#!/bin/sh
case "$*" in *list-units*) printf 'postern@%s.service loaded active running Postern\n' 1 2 ;; esac
EOF
cat > /usr/local/bin/deb-systemd-invoke <<'EOF'
#!/usr/bin/node
const { appendFileSync } = require('node:fs');
const [, , action, unit, child] = process.argv;
const note = (text) => appendFileSync('/tmp/restarts', `${text}\n`);
if (action !== 'try-restart') process.exit();
const host = `127.0.0.${/\d/.exec(unit)}`;
if (child) {
  const server = require('node:http').createServer(({ url }, response) => {
    note(`${host}${url} answers`);
    response.end(() => process.exit());
  });
  setTimeout(() => server.listen(7303, host), 1000);
} else {
  note(unit);
  const options = { detached: true, stdio: 'ignore' };
  require('node:child_process').spawn(__filename, [action, unit, 'child'], options).unref();
}
EOF
chmod 755 /usr/local/bin/systemctl /usr/local/bin/deb-systemd-invoke
dpkg --install "$DEB" < /dev/null
rm -r /usr/local/bin/systemctl /usr/local/bin/deb-systemd-invoke /run/systemd/system
is 'the restarts' "$(tr '\n' ' ' < /tmp/restarts)" \
  'postern@1.service 127.0.0.1/livez answers postern@2.service 127.0.0.2/livez answers '
is 'files that dpkg asks about' "$(dpkg-query --show --showformat '${Conffiles}' postern)" ''
grep -q "$KEY_SHA256" /etc/postern/postern.yaml || fail 'the configuration was replaced'
is 'mode of postern.yaml' "$(stat -c '%U:%G %a' /etc/postern/postern.yaml)" 'root:postern 600'

echo '== remove: only the configuration stays'
cd /
mkdir -p /etc/systemd/system/multi-user.target.wants
ln -s /usr/lib/systemd/system/postern@.service /etc/systemd/system/multi-user.target.wants/postern@1.service
dpkg --remove postern
[ ! -e /usr/share/postern ] && [ ! -e /usr/bin/postern ] || fail 'files are left'
[ -e /etc/postern/postern.yaml ] || fail 'the configuration was removed'

echo '== purge: nothing stays'
dpkg --purge postern
[ ! -e /etc/postern ] || fail "left: $(ls /etc/postern)"
[ ! -L /etc/systemd/system/multi-user.target.wants/postern@1.service ] || fail 'the unit is enabled'
echo '== done'

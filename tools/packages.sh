#!/bin/sh
# Installs what the tests run beside Go, as Debian packages, where it may: as
# root or with a sudo that asks no password. Elsewhere it says what is missing;
# the tests that need it skip, or fail if COATCHECK_REQUIRE_ALL is set.
set -eu

# Each is program:package. A test looks for the program.
programs='
curl:curl
python3:python3
postgres:postgresql
mariadbd:mariadb-server
pgbouncer:pgbouncer
redis-server:redis-server
chromium:chromium
certutil:libnss3-tools
firefox-esr:firefox-esr
WebKitWebDriver:webkit2gtk-driver
Xvfb:xvfb
nginx:nginx
haproxy:haproxy
apache2:apache2
caddy:caddy
varnishd:varnish
javac:default-jdk-headless
php:php-cli
perl:perl
ruby:ruby
wget:wget
zsh:zsh
fish:fish
groff:groff-base
node:nodejs
npm:npm
prometheus:prometheus
'

# Each is package:command, for a library of a language. The command succeeds where
# the library is. Those of Python are for Debian's own python3.
libraries='
bash-completion:test -r /usr/share/bash-completion/bash_completion
php-curl:php -r "curl_version();"
php-redis:php -m | grep -qx redis
php-sqlite3:php -m | grep -qx pdo_sqlite
php-pgsql:php -m | grep -qx pdo_pgsql
php-mysql:php -m | grep -qx pdo_mysql
php-illuminate-session:test -e /usr/share/php/Illuminate/Session/autoload.php
php-illuminate-encryption:test -e /usr/share/php/Illuminate/Encryption/autoload.php
php-illuminate-cookie:test -e /usr/share/php/Illuminate/Cookie/autoload.php
php-illuminate-auth:test -e /usr/share/php/Illuminate/Auth/autoload.php
php-illuminate-redis:test -e /usr/share/php/Illuminate/Redis/autoload.php
php-illuminate-database:test -e /usr/share/php/Illuminate/Database/autoload.php
php-illuminate-http:test -e /usr/share/php/Illuminate/Http/autoload.php
php-illuminate-cache:test -e /usr/share/php/Illuminate/Cache/autoload.php
php-illuminate-container:test -e /usr/share/php/Illuminate/Container/autoload.php
php-illuminate-filesystem:test -e /usr/share/php/Illuminate/Filesystem/autoload.php
php-illuminate-pipeline:test -e /usr/share/php/Illuminate/Pipeline/autoload.php
libwww-perl:perl -MLWP::UserAgent -e 1
liblwp-protocol-https-perl:perl -MLWP::Protocol::https -e 1
ruby-http-cookie:ruby -rhttp/cookie -e 1
python3-requests:/usr/bin/python3 -c "import requests"
python3-httpx:/usr/bin/python3 -c "import httpx"
python3-aiohttp:/usr/bin/python3 -c "import aiohttp"
python3-flask:/usr/bin/python3 -c "import flask"
python3-flask-session:/usr/bin/python3 -c "import flask_session"
python3-flask-login:/usr/bin/python3 -c "import flask_login"
python3-redis:/usr/bin/python3 -c "import redis"
python3-django:/usr/bin/python3 -c "import django"
python3-django-redis:/usr/bin/python3 -c "import django_redis"
python3-psycopg2:/usr/bin/python3 -c "import psycopg2"
python3-mysqldb:/usr/bin/python3 -c "import MySQLdb"
ruby-railties:ruby -e "require %q(rails)"
ruby-redis-rails:ruby -e "require %q(redis-rails)"
ruby-devise:ruby -e "require %q(rails); require %q(devise)"
ruby-webrick:ruby -e "require %q(webrick)"
qemu-user-static:command -v qemu-arm-static || [ "$(uname -m)" != x86_64 ] || GOARCH=386 go test -run "^$" ./internal/wait
'

PATH=$PATH:/usr/sbin:/sbin
for dir in /usr/lib/postgresql/*/bin; do PATH=$PATH:$dir; done

missing() {
	for entry in $programs; do
		command -v "${entry%%:*}" >/dev/null || printf '%s ' "${entry##*:}"
	done
	printf '%s' "$libraries" | while IFS=: read -r package probe; do
		sh -c "$probe" </dev/null >/dev/null 2>&1 || printf '%s ' "$package"
	done
}

# Debian starts a server when it is installed. The tests start their own, on
# free ports; policy-rc.d is how a package is told to start none.
install_packages() {
	echo "packages: installing $*"
	policy=/usr/sbin/policy-rc.d
	kept=$(mktemp -d)
	if [ -e $policy ]; then mv $policy "$kept/"; fi
	trap 'rm -f $policy; mv "$kept"/* $policy 2>/dev/null || :; rmdir "$kept"' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy

	export DEBIAN_FRONTEND=noninteractive
	fetch "$@" || { sleep 5 && fetch "$@"; } # an index may change under a download
}

fetch() {
	apt-get -q update </dev/null || echo "packages: apt-get update failed; trying with the old index" >&2
	apt-get -q install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

if [ "${1-}" = --install ]; then # as root, with the packages
	shift
	install_packages "$@"
	exit
fi

packages=$(missing)
if [ -z "$packages" ]; then exit 0; fi
if command -v apt-get >/dev/null; then
	# $packages is a list of words on purpose.
	if [ "$(id -u)" -eq 0 ]; then
		"$0" --install $packages || :
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		sudo -n "$0" --install $packages || :
	fi
	packages=$(missing)
	if [ -z "$packages" ]; then exit 0; fi
fi
echo "packages: MISSING: $packages(names of Debian packages). Tests that need them are skipped." >&2
if [ -n "${COATCHECK_REQUIRE_ALL-}" ]; then
	echo "packages: COATCHECK_REQUIRE_ALL is set, so this is a failure." >&2
	exit 1
fi

#!/usr/bin/env bash
# One would bet: a value that PHP cannot keep in a session is left out with a warning, and
# the rest of the session is kept. So it is with a number as a name: "Skipping numeric key".
#
# Seen in PHP 8.2.36 of Debian 12, with names that are ordinary strings:
#  - session.serialize_handler php, the default: one name with a "|" in it, such as "a|b",
#    and the whole session is stored empty. No warning, and session_write_close() returns
#    true. The user is logged out by the next request.
#  - php_binary: a value whose name has more than 127 bytes is left out, without a warning.
#  - php_serialize: both are kept, and numbers as names too.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# Debian 12's packages, unpacked here; it keeps the newest patch of 8.2 only.
apt-get -q download php8.2-cli=8.2.36-1~deb12u1 libargon2-1=0~20171227-0.3+deb12u1 libsodium23=1.0.18-1+deb12u1 \
	libxml2=2.9.14+dfsg-1.3~deb12u6 libicu72=72.1-3+deb12u1 libpcre2-8-0=10.42-1+deb12u2 >/dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" unpacked; done
LD_LIBRARY_PATH=$(echo "$dir"/unpacked/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH
php() { "$dir/unpacked/usr/bin/php8.2" -n "$@"; }
php --version | head -1

cat >write.php <<'PHP'
<?php
session_id('s');
session_start();
$_SESSION['user'] = 'alice';
$_SESSION[$argv[1] === 'long' ? str_repeat('n', 128) : $argv[1]] = 1;
echo session_write_close() ? 'true' : 'false', "\n";
PHP
cat >read.php <<'PHP'
<?php
session_id('s');
session_start();
$names = array_map(fn($name) => strlen($name) > 9 ? 'long' : $name, array_keys($_SESSION));
echo $names ? implode(' ', $names) : 'nothing', "\n";
PHP

changed=
for handler in php php_binary php_serialize; do
	for name in cart 'a|b' long 7; do
		rm -rf files
		mkdir files
		with=(-d session.save_path="$dir/files" -d session.serialize_handler="$handler" -d session.use_cookies=0 -d session.cache_limiter= -d display_errors=stderr)
		said=$(php "${with[@]}" write.php "$name" 2>warnings)
		warned=no
		if grep -q Warning warnings; then warned=yes; fi
		left=$(php "${with[@]}" read.php)
		printf '%-14s user and %-5s session_write_close: %s, warning: %-4s kept: %s\n' "$handler" "$name," "$said" "$warned" "$left"
		case "$handler $name" in
		'php a|b') want='true no nothing' ;;
		'php_binary long') want='true no user' ;;
		'php 7' | 'php_binary 7') want='true yes user' ;;
		*) want="true no user $name" ;;
		esac
		[ "$said $warned $left" = "$want" ] || changed="$changed $handler/$name"
	done
done
[ -z "$changed" ] || { echo "CHANGED:$changed"; exit 1; }

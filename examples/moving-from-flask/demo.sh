#!/bin/sh
# Builds and starts both programs, and shows the login crossing in both directions.
# It needs Debian's python3-flask.
set -eu
cd "$(dirname "$0")"
SECRET_KEY=$(head -c 32 /dev/urandom | base64)
FLASK_SECRET_KEY=$(head -c 32 /dev/urandom | base64)
MOVE_UNTIL=$(date -d "+3 months" +%Y-%m-%d)
export SECRET_KEY FLASK_SECRET_KEY MOVE_UNTIL
tmp=$(mktemp -d)
mkfifo "$tmp/stdin"
pids=
trap 'kill $pids; rm -r "$tmp"' EXIT
/usr/bin/python3 app.py <"$tmp/stdin" >"$tmp/port" &
pids=$!
exec 3>"$tmp/stdin" # Flask ends when this closes
go build -o "$tmp/moving" .
until [ -s "$tmp/port" ]; do
	kill -0 "$pids" # it has ended, and said why
	sleep 0.2
done
FLASK_URL="http://127.0.0.1:$(cat "$tmp/port")" "$tmp/moving" &
pids="$pids $!"
/usr/bin/python3 demo.py http://localhost:8080

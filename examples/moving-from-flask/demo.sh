#!/bin/sh
# Builds and starts both programs, and shows the login crossing in both directions.
# It needs Debian's python3-flask.
set -eu
cd "$(dirname "$0")"
SECRET_KEY=$(head -c 32 /dev/urandom | base64)
FLASK_SECRET_KEY=$(head -c 32 /dev/urandom | base64)
export SECRET_KEY FLASK_SECRET_KEY
tmp=$(mktemp -d)
go build -o "$tmp/moving" .
"$tmp/moving" &
program=$!
trap 'kill $program; rm -r "$tmp"' EXIT
/usr/bin/python3 demo.py http://localhost:8080

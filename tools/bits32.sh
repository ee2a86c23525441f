#!/bin/sh
# Runs the tests of the packages given on 32 bits: as 386, or where the kernel runs no
# such programs as arm, by QEMU.
set -eu

if GOARCH=386 go test -run '^$' ./internal/wait >/dev/null 2>&1; then
	echo "GOARCH=386 go test $*"
	GOARCH=386 exec go test "$@"
fi
GOARCH=386 go vet "$@"
if command -v qemu-arm-static >/dev/null; then
	echo "GOARCH=arm go test -exec qemu-arm-static $*"
	GOARCH=arm exec go test -exec qemu-arm-static "$@"
fi
echo "bits32: NOT tested on 32 bits: programs of 386 do not run here, and there is no qemu-arm-static (Debian: qemu-user-static)" >&2
[ -z "${COATCHECK_REQUIRE_ALL-}" ]

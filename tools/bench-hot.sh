#!/usr/bin/env bash
# bench-hot.sh [COMMIT]: many clients in one session, as this tree serves them and
# as COMMIT does, in turns on the same machine. COMMIT is by default the last one
# before those who wait in line began to share a store call.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
base=${1:-1aba1d3}
count=${COUNT:-6}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/base"
git archive "$base" | tar x -C "$dir/base"
# The same benchmark and the same servers on both sides.
rm -rf "$dir/base/integration/internal/servers"
mkdir -p "$dir/base/integration/hot" "$dir/base/internal"
cp -r integration/hot/. "$dir/base/integration/hot/"
cp -r integration/internal/servers "$dir/base/integration/internal/"
cp -r internal/freeport internal/unprivileged "$dir/base/internal/"
(cd "$dir/base" && go test -c -o "$dir/old.test" ./integration/hot)
go test -c -o "$dir/new.test" ./integration/hot
for ((i = 0; i < count; i++)); do
	for side in old new; do
		(cd integration/hot && "$dir/$side.test" -test.run '^$' -test.bench "${BENCH:-HotSession}" -test.benchtime "${BENCHTIME:-2s}") | tee -a "$dir/$side.txt" >&2
	done
done
cd "$dir"
cp old.txt "$base"
cp new.txt this-tree
cd - >/dev/null
go tool benchstat "$dir/$base" "$dir/this-tree" | sed "s|$dir/||g"

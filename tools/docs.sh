#!/bin/sh
# Builds the documentation site from docs/ into the folder that is named, which
# must not exist or be one that was built before. VitePress, whose version and
# hashes tools/site/package-lock.json has, comes from npm.
set -eu

[ $# -eq 1 ] || { echo "usage: tools/docs.sh FOLDER" >&2; exit 2; }
repository=$(cd "$(dirname "$0")/.." && pwd)
if [ -e "$1" ] && [ ! -e "$1/hashmap.json" ]; then
	echo "docs: $1 exists and is no site" >&2
	exit 1
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)

# Elsewhere, so that no tool of this repository finds the packages' own files.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/.vitepress"
cp "$repository"/tools/site/package*.json "$work/"
cp "$repository/tools/site/config.mjs" "$work/.vitepress/"
cp -R "$repository/docs" "$work/docs"
cd "$work"
npm ci --ignore-scripts --no-audit --no-fund --prefer-offline
REPOSITORY=$repository node node_modules/vitepress/bin/vitepress.js build --outDir "$out"

#!/bin/sh
# Unpacks servers that Debian's stable release lacks, MySQL and Valkey, in a folder:
# from Debian's unstable, with all libraries that they need. Nothing is installed,
# and no right of root is needed. What unstable has changes, and may be broken for a
# day: then this says so, and the tests that want these servers skip.
set -eu

engines='mysql-server-core valkey-server valkey-tools'
dir=${1:-${COATCHECK_ENGINES:-}}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

if [ -z "$dir" ]; then
	echo "usage: tools/engines.sh FOLDER, or COATCHECK_ENGINES=FOLDER" >&2
	exit 2
fi
if [ -x "$dir/bin/mysqld" ] && [ -x "$dir/bin/valkey-server" ]; then exit 0; fi
if ! command -v apt-get >/dev/null || [ ! -r $keyring ]; then
	echo "engines: this is no Debian; tests of MySQL and Valkey are skipped" >&2
	exit 1
fi

mkdir -p "$dir/bin" "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
dir=$(cd "$dir" && pwd)
: >"$dir/apt/status" # as if nothing were installed, so that all libraries come along
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
echo "deb [signed-by=$keyring] ${mirror:?engines: apt has no index of Debian; run apt-get update} sid main" >"$dir/apt/sources.list"

apt() {
	apt-get -q -o Dir::Etc::SourceList="$dir/apt/sources.list" -o Dir::Etc::SourceParts=- \
		-o Dir::State::Lists="$dir/apt/lists" -o Dir::State::Status="$dir/apt/status" -o Dir::Cache="$dir/apt/cache" \
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o Acquire::Languages=none \
		-o APT::Sandbox::User= -o Debug::NoLocking=1 "$@" </dev/null
}

apt update
apt install -y --no-install-recommends -d $engines
for package in "$dir"/apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$dir/tree"; done
rm -r "$dir/apt"

# The programs run with their own C library, which is newer than that of the system.
libraries=$(dirname "$(find "$dir/tree" -name 'ld-linux-*.so.*' -path '*-linux-gnu/*' | head -n 1)")
wrap() {
	cat >"$dir/bin/$1" <<END
#!/bin/sh
exec $libraries/$(basename "$libraries"/ld-linux-*.so.*) --library-path $libraries $dir/tree/$2 "\$@"
END
	chmod 755 "$dir/bin/$1"
	"$dir/bin/$1" --version
}
wrap mysqld usr/sbin/mysqld
wrap valkey-server usr/bin/valkey-server

#!/bin/sh
# Makes the vectors of pickle, Marshal, Django and Rails anew: by what Debian 12 has
# installed, and by the Django and Rails of Debian 13, which are unpacked into a
# temporary folder. Those of scs, gorilla, Express, PHP and Laravel are made by the tests
# that run these. Nonces and CSRF tokens are others at every run.
set -eu
cd "$(dirname "$0")"

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' | head -1)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/debs" "$dir/trixie"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$dir/sources.list"
apt() {
	apt-get -q -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root \
		-o Dir::State::lists="$dir/lists" -o Dir::Cache="$dir/cache" "$@" >&2
}
apt update
(cd "$dir/debs" && apt download python3-django ruby-activesupport ruby-actionpack ruby-rack ruby-rack-session)
for deb in "$dir"/debs/*.deb; do dpkg-deb -x "$deb" "$dir/trixie"; done
gems=$dir/trixie/usr/share/rubygems-integration/all/gems

/usr/bin/python3 make_pickle.py >pickle.json
/usr/bin/python3 make_django.py >django-3.2.json
PYTHONPATH=$dir/trixie/usr/lib/python3/dist-packages /usr/bin/python3 make_django.py >django-4.2.json
ruby make_marshal.rb >marshal.json
ruby make_rails.rb >rails-6.1.json
set --
for lib in "$gems"/*/lib; do set -- "$@" -I "$lib"; done
ruby "$@" make_rails.rb >rails-7.2.json

cd ../../integration
go test ./bridges/scs ./bridges/gorilla ./bridges/express ./bridges/php -run '^TestVectors$' -update

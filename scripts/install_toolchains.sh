#!/bin/sh
# Install the toolchains whose standard libraries the demo learns from, where this may be done (root on Debian or
# Ubuntu); elsewhere say in one line what is missing and go on with what there is.
set -eu
# PROBE (a path that shows that the sources are there) and the Debian packages that bring them.
wanted='
/usr/lib/rustlib/src/rust/library|rustc rust-src
/usr/share/go-*/src|golang-go
/usr/lib/ruby/*/set.rb|ruby
/usr/lib/jvm/*/lib/src.zip|openjdk-21-jdk-headless openjdk-21-source
/usr/include/boost|g++ libboost-dev
/usr/share/perl/*/pod/perlfaq.pod|perl-doc
'
missing=$(echo "$wanted" | while IFS='|' read -r probe packages; do
    [ -n "$probe" ] || continue
    found=
    for match in $probe; do
        [ -e "$match" ] && found=yes
    done
    [ -n "$found" ] || printf '%s ' "$packages"
done)
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $missing"
    apt-get update -qq || true
    for package in $missing; do
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
            echo "cannot install $package; going on without it"
    done
else
    echo "missing sources of some languages (Debian: apt install $missing); going on with what there is"
fi

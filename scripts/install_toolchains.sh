#!/bin/sh
# Install the toolchains whose standard libraries the demo learns from and whose programs are judged, and the sandbox,
# where this may be done (root on Debian or Ubuntu); elsewhere say in one line what is missing and go on with what
# there is. With the argument `tests`, also the browser in which pages are tested.
set -eu
# PROBE (a path that shows that the sources are there) and the Debian packages that bring them.
wanted='
/usr/lib/rustlib/src/rust/library|rustc rust-src
/usr/share/go-*/src|golang-go
/usr/lib/ruby/*/set.rb|ruby
/usr/lib/jvm/*/lib/src.zip|openjdk-21-jdk-headless openjdk-21-source
/usr/include/boost|g++ libboost-dev
/usr/share/perl/*/pod/perlfaq.pod|perl-doc
/usr/bin/bwrap|bubblewrap
/usr/bin/python3|python3
/usr/lib/python3/dist-packages/numpy|python3-numpy
/usr/bin/g++|g++
/usr/bin/ld.gold|binutils-gold
/usr/include/openssl/md5.h|libssl-dev
/usr/bin/rustc|rustc
/usr/bin/cargo|cargo
/usr/share/cargo/registry/regex-1*|librust-regex-dev
/usr/share/cargo/registry/md5-0*|librust-md5-dev
/usr/share/gocode/src/github.com/stretchr/testify|golang-github-stretchr-testify-dev
/usr/share/rubygems-integration/all/gems/test-unit-*|ruby-test-unit
/usr/share/java/javatuples.jar|libjavatuples-java
/usr/bin/elixir|elixir
/usr/bin/perl|perl
/usr/bin/lua5.4|lua5.4
/usr/bin/ocamlc|ocaml
/usr/bin/racket|racket
/usr/bin/Rscript|r-base-core
/usr/bin/ghc|ghc
/usr/bin/tclsh|tcl
/usr/bin/gcc|gcc
'
[ "${1:-}" != tests ] || wanted="$wanted/usr/bin/chromium|chromium
"
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
    export DEBIAN_FRONTEND=noninteractive
    # All at once takes half the time; if one cannot be had, none is installed.
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || for package in $missing; do
        apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
            echo "cannot install $package; going on without it"
    done
else
    echo "missing sources of some languages (Debian: apt install $missing); going on with what there is"
fi

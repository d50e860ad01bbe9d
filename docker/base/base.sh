#!/usr/bin/env bash
# base.sh [X.Y]: cmle/base:X.Y, Debian and this machine's Python X.Y, without a registry.
# Variables: PYTHON (the interpreter), DEBIAN_MIRROR (else this machine's), REBUILD=1 (as if there were none).
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
short=${1:-3.7}
image=${CMLE_IMAGE:-cmle/base:$short}
engine_or_fail
one_at_a_time
find_python "$short"

. /etc/os-release
[ "${ID:-}" = debian ] || fail "needs a Debian to take Python's libraries from; this is ${ID:-unknown}." \
    "Elsewhere use a public image of Python: docker build --build-arg BASE_IMAGE=python:$short-slim."
# libgomp1: XGBoost's wheels up to 0.90 bring none of their own.
packages=ca-certificates,libbz2-1.0,libcrypt1,libexpat1,libffi8,libgomp1,liblzma5,libncursesw6,libnsl2
packages+=,libreadline8,libsqlite3-0,libssl3,libstdc++6,libuuid1,netbase,zlib1g,usr-is-merged
# Later releases name a few of them anew (64-bit time).
[ "$VERSION_CODENAME" = bookworm ] || packages=${packages//libreadline8/libreadline8t64}
[ "$VERSION_CODENAME" = bookworm ] || packages=${packages//libssl3/libssl3t64}
# This machine's mirror, unless it is the one that mmdebstrap knows, with its security updates.
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE)' 2>/dev/null |
    grep -E 'debian/?$' | grep -m 1 -v '//deb[.]' || true)}

debian() {
    need mmdebstrap mmdebstrap
    mmdebstrap --quiet --variant=minbase --include="$packages" --dpkgopt=force-unsafe-io \
        --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' --aptopt='APT::Install-Recommends "false"' \
        "$VERSION_CODENAME" "$work/debian.tar" ${mirror:+"$mirror"} >"$work/log" 2>&1 || {
        tail -n 40 "$work/log" >&2
        fail "mmdebstrap could not make a Debian; it says why above." \
            "DEBIAN_MIRROR=http://host/debian names another mirror."
    }
    docker import -c "LABEL cmle.key=$debian_key" -c 'CMD ["sh"]' \
        -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8' \
        "$work/debian.tar" "$image" >/dev/null
    rm "$work/debian.tar"
}

python() {
    python_tree "$work/python"
    tar -C "$work/python" --owner=0 --group=0 --numeric-owner -cf "$work/python.tar" .
    rm -rf "$work/python"
    cp "$here/python.Dockerfile" "$work/Dockerfile"
    docker build --quiet --build-arg "DEBIAN=$debian_image" --label "cmle.key=$key" \
        --label "cmle.python=$version" --tag "$image" "$work" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        fail "docker build failed; see above."
    }
}

debian_image=${CMLE_DEBIAN_IMAGE:-cmle/debian:$VERSION_CODENAME}
debian_key=$(key_of "$(declare -f debian)" "$VERSION_CODENAME" "$packages")
key=$(key_of "$(declare -f python python_tree)" "$(<"$here/python.Dockerfile")" "$debian_key" "$version" "$prefix")
if made "$key"; then
    say "up to date (Debian $VERSION_CODENAME, Python $version)"
    exit
fi
began=$SECONDS
make_work
(
    image=$debian_image
    made "$debian_key" || { say "installing Debian's packages (a minute or more, once)" && replace debian; }
)
say "adding Python $version from $prefix"
replace python
say "made in $((SECONDS - began)) s"

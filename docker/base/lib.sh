# Shared by base.sh and probe.sh: this machine's Python as an archive, and images that are made once.
# shellcheck shell=bash

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export LC_ALL=C.UTF-8

say() { echo "$image: $*" >&2; }

fail() {
    echo "$image: $*" >&2
    exit 1
}

# work: a folder that goes with the script, whatever ends it.
make_work() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/cmle-image.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# need PROGRAM PACKAGE: have a program, by Debian's package where it may be installed.
need() {
    command -v "$1" >/dev/null && return
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
        fail "needs the program $1 (Debian: apt install $2)."
    say "installing $2"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends "$2"; } >/dev/null ||
        fail "the package $2 could not be installed."
}

# one_at_a_time: wait for another of these scripts; both would do the same work.
one_at_a_time() {
    local cache=${CMLE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/cmle}
    mkdir -p "$cache"
    exec 9>"$cache/base-images.lock"
    flock --nonblock 9 || { say "waiting for another image to be made" && flock 9; }
}

engine_or_fail() {
    command -v docker >/dev/null || fail "needs the docker command (Debian: apt install docker.io)."
    timeout 30 docker version >/dev/null 2>&1 ||
        fail "no Docker Engine answers. Is it running, and may this user use it? (docker version)"
}

# find_python VERSION: sets prefix and version of a Python of this machine that can be moved.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} \
        "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/"python$1" \
        "${CMLE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/cmle}/pythons/cpython-$1".*/bin/"python$1" \
        "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/uv/python}/cpython-$1".*/bin/"python$1" \
        "/opt/python$1/bin/python$1" "/usr/local/bin/python$1"; do
        [ -x "$candidate" ] || continue
        IFS=' ' read -r version prefix < <("$candidate" -I -S -c \
            'import sys; print("%d.%d.%d" % sys.version_info[:3], sys.base_prefix)') || continue
        [ "${version%.*}" = "$1" ] && [ "$prefix" != /usr ] && return
    done
    fail "this machine has no Python $1 that can be put into an image: none in pyenv's folder, in" \
        "uv's, in /opt or /usr/local (Debian's own in /usr cannot be moved). Install one" \
        "(pyenv install $1), or name it: PYTHON=/path/to/python$1."
}

# python_tree TARGET: copy the Python below TARGET, with pip, without what no program of a job asks for.
python_tree() {
    local library=$1/lib/python$short wheel name
    mkdir -p "$1/bin" "$1/lib"
    tar -C "$prefix" -c --hard-dereference --exclude=__pycache__ --exclude='*.a' --exclude=site-packages \
        --exclude='config-*' --exclude=test --exclude=tests --exclude=idlelib --exclude=idle_test \
        --exclude=turtledemo --exclude='*tkinter*' --exclude='_test*.so' --exclude=pkgconfig \
        "bin/python$short" lib | tar -C "$1" -x --no-same-owner
    ln -s "python$short" "$1/bin/python3"
    ln -s python3 "$1/bin/python"
    # Symbols for debuggers are half of it.
    command -v strip >/dev/null && find "$1" -name '*.so*' -type f -exec strip --strip-unneeded {} +
    # A bundled wheel is a zip of what it installs: no need to run anything.
    mkdir -p "$library/site-packages"
    for wheel in "$library"/ensurepip/_bundled/*.whl; do
        python3 -m zipfile -e "$wheel" "$library/site-packages"
    done
    rm -f "$library"/site-packages/*/_vendor/distlib/*.exe "$library"/site-packages/setuptools/*.exe
    for name in pip pip3 "pip$short"; do
        printf '#!/usr/local/bin/python3\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n' \
            >"$1/bin/$name"
        chmod 755 "$1/bin/$name"
    done
}

# key_of TEXT…: what an image is made of, in short.
key_of() { printf '%s\0' "$@" "$(uname -m)" | sha256sum | cut -c1-24; }

# made KEY: whether the image is there already.
made() {
    local found
    found=$(docker image inspect --format '{{index .Config.Labels "cmle.key"}}' "$image" 2>/dev/null) &&
        [ "$found" = "$1" ] && [ -z "${REBUILD:-}" ]
}

# replace COMMAND…: make the image, then remove the one that had its name.
replace() {
    local before after
    before=$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null || true)
    "$@"
    after=$(docker image inspect --format '{{.Id}}' "$image")
    if [ -n "$before" ] && [ "$before" != "$after" ]; then
        docker image rm "$before" >/dev/null 2>&1 || true  # another image may stand on it
    fi
}

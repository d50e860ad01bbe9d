#!/usr/bin/env bash
# services.sh [X.Y]: the images of compose.yaml, cmle/emulator and cmle/fake-gcs, without a registry.
# X.Y is the Python of the emulator; this machine must have it (see base/base.sh).
. "$(dirname "${BASH_SOURCE[0]}")/base/lib.sh"
root=$(cd "$here/../.." && pwd)
image=cmle/emulator
engine_or_fail
program=${VENV:-$root/.venv}/bin/python
[ -x "$program" ] || fail "needs the emulator's environment: make .venv/base.done"
short=${1:-$("$program" -c 'import sys; print("%d.%d" % sys.version_info[:2])')}
"$here/base.sh" "$short"
one_at_a_time
find_python "$short"
base=$(docker image inspect --format '{{.Id}}' "cmle/base:$short")
tag=${CMLE_TAG:-latest}

# sources: what the image is made of, as paths below the checkout.
sources() {
    cd "$root" && find emulator docker trainer_fixtures LICENSE README.md pyproject.toml \
        requirements/docker.txt -type f -not -path '*/__pycache__/*' -print0 | sort -z
}

emulator() {
    mkdir "$work/context"
    sources | tar -C "$root" -c --null -T - | tar -C "$work/context" -x
    say "fetching the packages of requirements/docker.txt"
    "$prefix/bin/python$short" -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps \
        --requirement "$root/requirements/docker.txt" --dest "$work/context/wheels" ||
        fail "the packages could not be fetched; pip says why above."
    say "building it from cmle/base:$short"
    docker build --file "$root/docker/emulator.Dockerfile" --build-arg "BASE_IMAGE=cmle/base:$short" \
        --label "cmle.key=$key" --tag "$image" "$work/context" >"$work/log" 2>&1 || {
        tail -n 40 "$work/log" >&2
        fail "docker build failed; see above."
    }
    docker image prune --force --filter label=cmle.stage=build >/dev/null
}

fake_gcs() {
    mkdir -p "$work/server/bin" "$work/empty"
    cp "$server" "$work/server/bin/fake-gcs-server"
    tar -C "$work/server" --owner=0 --group=0 -c bin | docker import - "$image-program" >/dev/null
    docker build --file "$root/docker/fake-gcs.Dockerfile" --build-arg "SERVER_IMAGE=$image-program" \
        --label "cmle.key=$key" --tag "$image" "$work/empty" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        fail "docker build failed; see above."
    }
    docker image rm "$image-program" >/dev/null
}

# up_to_date KEY FUNCTION: make the image, unless it is there.
up_to_date() {
    local began=$SECONDS
    key=$1
    if made "$key"; then
        say "up to date"
    else
        replace "$2"
        say "made in $((SECONDS - began)) s"
    fi
}

make_work
image=cmle/emulator:$tag
up_to_date "$(key_of "$base" "$(declare -f emulator)" "$(cd "$root" && sources | xargs -0 sha256sum)")" emulator

image=cmle/fake-gcs:$tag
server=$("$program" -c '
import sys
from emulator.server import default_cache_dir
from emulator.storage.binary import find_or_obtain
print(find_or_obtain(None, default_cache_dir(), lambda text: print(text, file=sys.stderr)))')
up_to_date "$(key_of "$(sha256sum <"$server")" "$(<"$root/docker/fake-gcs.Dockerfile")")" fake_gcs

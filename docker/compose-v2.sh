#!/usr/bin/env bash
# compose-v2.sh: Docker Compose v2 from Go's module proxy, where no package has it (7 minutes, once).
# Prints the path of the program. Needs Go 1.21 or newer, which fetches the Go that it needs.
set -euo pipefail
version=v2.40.3 # newer ones may want a newer engine than 20.10, or modules that are not to be had
cache=${CMLE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/cmle}/bin
program=$cache/docker-compose-$version
mkdir -p "$cache"
exec 9>"$program.lock"
flock 9
if [ ! -x "$program" ]; then
    command -v go >/dev/null || { echo 'compose-v2.sh: needs Go (go.dev, or the package golang)' >&2; exit 1; }
    work=$(mktemp -d "${TMPDIR:-/tmp}/cmle-compose.XXXXXX")
    trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
    echo "compose-v2.sh: building Docker Compose $version" >&2
    # Its go.mod has exclude directives, so that `go install` refuses it.
    (cd "$work" && go mod download -json "github.com/docker/compose/v2@$version" >module.json)
    folder=$(sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p' "$work/module.json")
    cp -r "$folder" "$work/source"
    chmod -R u+w "$work/source"
    (cd "$work/source" && CGO_ENABLED=0 go build -mod=mod -trimpath \
        -ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=$version" -o "$work/program" ./cmd)
    mv "$work/program" "$program"
fi
echo "$program"

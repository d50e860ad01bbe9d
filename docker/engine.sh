#!/usr/bin/env bash
# engine.sh install|start|stop|status: a Docker Engine for this machine where none runs. Needs root.
#
#   install   Debian's packages of the engine, of compose and of what makes base images, if missing
#   start     nothing if an engine answers; else start one and wait until it answers
#   stop      nothing if `start` did not start one; else remove the project's containers, networks
#             and volumes, end the engine and wait until it is gone. Images stay for the next time
#   status    say whether an engine answers and whether it is ours; exit 0 if one does
#
# Variables: ENGINE_DIR (log and pid, default /var/lib/cmle-engine), ENGINE_SOCKET (another than
# /var/run/docker.sock), ENGINE_EXEC_ROOT (/var/run/docker), ENGINE_ARGS (more arguments of dockerd).
# A second engine beside another has all of them, a --data-root of its own, and a network namespace of
# its own (unshare --net): `--bridge=none` would remove the other's docker0.
set -euo pipefail

dir=${ENGINE_DIR:-/var/lib/cmle-engine}
socket=${ENGINE_SOCKET:-/var/run/docker.sock}
exec_root=${ENGINE_EXEC_ROOT:-/var/run/docker}
log=$dir/dockerd.log
pid_file=$dir/dockerd.pid
packages=(docker.io docker-compose mmdebstrap iptables)
label=cmle.instance
export DOCKER_HOST=unix://$socket LC_ALL=C.UTF-8

say() { echo "engine: $*" >&2; }

fail() {
    say "$@"
    exit 1
}

answers() { [ -S "$socket" ] && timeout 10 docker version >/dev/null 2>&1; }

# runs PID: whether the process is there and no zombie.
runs() { [ -r "/proc/$1/stat" ] && ! grep -q '^State:[[:space:]]Z' "/proc/$1/status" 2>/dev/null; }

# ours: the pid of the engine that `start` started, if that still runs.
ours() {
    local pid
    pid=$(cat "$pid_file" 2>/dev/null) || return 1
    [ -n "$pid" ] && runs "$pid" && grep -qz -- "$pid_file" "/proc/$pid/cmdline" && echo "$pid"
}

# until_true SECONDS COMMAND…: ask again and again, each tenth of a second.
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

install() {
    local missing=() name
    for name in "${packages[@]}"; do
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
    done
    [ "${#missing[@]}" = 0 ] && return
    [ "$(id -u)" = 0 ] || fail "not root, so ${missing[*]} cannot be installed (apt install ${missing[*]})"
    say "installing ${missing[*]}"
    apt-get update -qq
    # No service is started by the installation: this script does that.
    policy=/usr/sbin/policy-rc.d
    local made=
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=yes; }
    local status=0
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" \
        >"$dir/apt.log" 2>&1 || status=$?
    [ -z "$made" ] || rm -f "$policy"
    [ "$status" = 0 ] || { tail -n 20 "$dir/apt.log" >&2 && fail "apt-get ended with status $status"; }
}

containerd_is_gone() {
    local pid
    pid=$(cat "$exec_root/containerd/containerd.pid" 2>/dev/null) || return 0
    ! [ -d "/proc/$pid" ]
}

start() {
    if answers; then
        say "one answers at $socket"
        return
    fi
    command -v dockerd >/dev/null || fail "there is no dockerd (engine.sh install, or apt install docker.io)"
    [ "$(id -u)" = 0 ] || fail "not root, so no engine can be started"
    if ours >/dev/null; then
        until_true 30 answers && return
        fail "the engine that was started does not answer; see $log"
    fi
    # A killed engine's containerd may be a zombie whose pid file makes the next engine give up.
    until_true 10 containerd_is_gone || rm -f "$exec_root/containerd/containerd.pid"
    [ -f "$log" ] && mv -f "$log" "$log.1"
    rm -f "$pid_file"
    # shellcheck disable=SC2086
    setsid dockerd --pidfile "$pid_file" -H "unix://$socket" --exec-root "$exec_root" ${ENGINE_ARGS:-} \
        >"$log" 2>&1 </dev/null &
    local pid=$!
    ready_or_dead() { answers || ! runs "$pid"; }
    if until_true 60 ready_or_dead && answers; then
        say "started (process $(cat "$pid_file"), log $log)"
        return
    fi
    runs "$pid" && kill -9 "$pid"
    tail -n 20 "$log" >&2
    fail "the engine did not start; its log is above"
}

# sweep: remove what the project made, but images.
sweep() {
    local ids
    for each in "$label" com.docker.compose.project=cmle; do
        ids=$(timeout 60 docker ps --all --quiet --filter "label=$each") || return 0
        # shellcheck disable=SC2086
        [ -z "$ids" ] || timeout 120 docker rm --force --volumes $ids >/dev/null || true
        for kind in network volume; do
            ids=$(timeout 60 docker "$kind" ls --quiet --filter "label=$each") || return 0
            # shellcheck disable=SC2086
            [ -z "$ids" ] || timeout 60 docker "$kind" rm $ids >/dev/null || true
        done
    done
}

stop() {
    local pid
    if ! pid=$(ours); then
        answers && say "not started from here; left alone"
        return 0
    fi
    sweep
    kill -TERM "$pid"
    gone() { ! runs "$pid"; }
    if ! until_true 30 gone; then
        say "it did not end within 30 s; its stacks are in its log"
        kill -USR1 "$pid" && sleep 2
        kill -KILL "$pid"
        until_true 10 gone || fail "process $pid cannot be ended"
    fi
    rm -f "$pid_file"
    say "stopped"
}

status() {
    local pid
    answers || { say "none answers at $socket" && return 1; }
    if pid=$(ours); then
        say "ours answers at $socket (process $pid, log $log)"
    else
        say "one answers at $socket, not started from here"
    fi
}

case ${1:-} in
install | start | stop | status)
    mkdir -p "$dir"
    exec 9>"$dir/lock"
    flock --timeout 300 9 || fail "another engine.sh has been at work for 5 minutes"
    "$1" 9>&-
    ;;
*) fail "usage: engine.sh install|start|stop|status" ;;
esac

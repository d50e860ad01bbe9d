"""The file system that a replica sees: a read-only system, its own /tmp, /root, /proc and /dev."""

from __future__ import annotations

import os

import kernel

_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix/store")
_ETC = (
    "host.conf", "gai.conf", "ld.so.cache", "ld.so.conf", "localtime", "magic", "mime.types",
    "os-release", "protocols", "services", "ssl/openssl.cnf", "pki/tls/openssl.cnf", "timezone",
)  # fmt: skip
_DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
_PROC_READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")
_PROC_HIDDEN = ("kcore", "keys", "latency_stats", "sched_debug", "timer_list")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
BUNDLE_NAMES = (  # where other distributions and OpenSSL builds look for it
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_PASSWD = (
    "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
)
_GROUP = "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"


class Root:
    """A new root on a tmpfs over the empty folder ``place``; ``enter`` makes it the root.

    All that a replica writes outside of bound folders is in it: ``size`` bytes at most.

    Nothing is ever created in a folder of this machine: what is to be seen below a bound
    folder must exist there.
    """

    def __init__(self, place: str, size: int | None = None) -> None:
        self.place = os.path.realpath(place)
        self._writable: dict[str, bool] = {}
        self._same: list[str] = []  # bound read-only at the path that they have outside
        kernel.make_private()
        data = f"mode=755,size={size}" if size else "mode=755"
        kernel.mount("tmpfs", self.place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, data)

    def furnish(self, *, hostname: str, names: dict[str, str], bundle: str | None) -> None:
        """Put the system, /etc, /dev, /proc and the usual empty folders in place.

        ``names`` holds the address of each name that can be looked up.
        """
        for name in ("root", "run", "home", "mnt", "opt", "srv", "var/log", "var/lib", "var/cache"):
            self._folder(name, 0o700 if name == "root" else 0o755)
        for name in ("tmp", "var/tmp", "dev/shm"):
            self._folder(name, 0o1777)
        self._link("../run", "var/run")
        self._system()
        self._etc(hostname, names, bundle)
        self._dev()
        self._proc()
        if os.path.isdir("/sys/devices/system"):
            self.bind("/sys/devices/system", "/sys/devices/system", writable=False)

    def bind(self, source: str, target: str, *, writable: bool) -> None:
        """Show ``source`` at ``target``."""
        target = os.path.normpath(target)
        inside = self._inside(target)
        shown = any(target == path or target.startswith(path + "/") for path in self._same)
        if shown and source == target and not writable:
            return
        if not self._is_below_bind(inside):
            if os.path.isdir(source):
                os.makedirs(inside, 0o755, exist_ok=True)
            else:
                os.makedirs(os.path.dirname(inside), 0o755, exist_ok=True)
                os.close(os.open(inside, os.O_WRONLY | os.O_CREAT, 0o644))
        elif not os.path.exists(inside):
            raise OSError(f"{target} does not exist in the folder that is bound above it")
        kernel.bind(source, inside)
        self._writable[inside] = writable
        if source == target and not writable:
            self._same.append(target)

    def own(self, target: str) -> None:
        """Have a folder at ``target`` that is in this root itself, as /tmp is."""
        os.makedirs(self._inside(os.path.normpath(target)), 0o755, exist_ok=True)

    def leave(self, size: int) -> None:
        """Leave room for ``size`` more bytes: a write beyond them fails."""
        used = os.statvfs(self.place)
        total = (used.f_blocks - used.f_bfree) * used.f_frsize + size
        flags = kernel.MS_REMOUNT | kernel.MS_NOSUID | kernel.MS_NODEV
        kernel.mount(None, self.place, flags=flags, data=f"size={total}")

    def enter(self) -> None:
        kernel.make_read_only(self._writable)
        kernel.change_root(self.place)

    def _inside(self, target: str) -> str:
        path = os.path.realpath(self.place + target)
        if not path.startswith(self.place + "/"):
            raise OSError(f"{target} leads out of the new root")
        return path

    def _is_below_bind(self, path: str) -> bool:
        return any(path.startswith(above + "/") for above in self._writable)

    def _folder(self, name: str, mode: int = 0o755) -> None:
        os.makedirs(f"{self.place}/{name}", 0o755, exist_ok=True)
        os.chmod(f"{self.place}/{name}", mode)

    def _link(self, target: str, name: str) -> None:
        os.makedirs(os.path.dirname(f"{self.place}/{name}"), 0o755, exist_ok=True)
        os.symlink(target, f"{self.place}/{name}")

    def _write(self, name: str, content: bytes) -> None:
        path = f"{self.place}/{name}"
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    def _system(self) -> None:
        for name in _SYSTEM:
            if os.path.islink(f"/{name}"):
                self._link(os.readlink(f"/{name}"), name)
            elif os.path.isdir(f"/{name}"):
                self.bind(f"/{name}", f"/{name}", writable=False)

    def _etc(self, hostname: str, names: dict[str, str], bundle: str | None) -> None:
        for name in _ETC:
            try:
                with open(f"/etc/{name}", "rb") as file:
                    self._write(f"etc/{name}", file.read())
            except OSError:
                continue  # this distribution has none, or keeps it to itself
        if os.path.isdir("/etc/alternatives"):
            self.bind("/etc/alternatives", "/etc/alternatives", writable=False)
        local = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
        known = {hostname: "127.0.0.1", **names}
        others = "".join(f"{address} {name}\n" for name, address in known.items())
        for name, text in (
            ("passwd", _PASSWD),
            ("group", _GROUP),
            ("hostname", hostname + "\n"),
            ("hosts", local + others),
            ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
            ("resolv.conf", ""),
        ):
            self._write(f"etc/{name}", text.encode())
        self._link("/proc/self/mounts", "etc/mtab")
        if bundle:
            self.bind(bundle, BUNDLE, writable=False)
            for path in BUNDLE_NAMES:
                self._link(BUNDLE, path[1:])

    def _dev(self) -> None:
        for name in _DEVICES:
            if os.path.exists(f"/dev/{name}"):
                self.bind(f"/dev/{name}", f"/dev/{name}", writable=True)
        for name, target in (
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
            ("ptmx", "pts/ptmx"),
        ):
            self._link(target, f"dev/{name}")
        self._folder("dev/pts")
        flags = kernel.MS_NOSUID | kernel.MS_NOEXEC
        data = "newinstance,ptmxmode=0666,mode=0620"
        kernel.mount("devpts", f"{self.place}/dev/pts", "devpts", flags, data)

    def _proc(self) -> None:
        proc = f"{self.place}/proc"
        self._folder("proc")
        flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("proc", proc, "proc", flags)
        # Root's own sysctls would be this machine's, where the emulator runs as root.
        for name in _PROC_READ_ONLY:
            if os.path.exists(f"{proc}/{name}"):
                kernel.bind(f"{proc}/{name}", f"{proc}/{name}")
                self._writable[f"{proc}/{name}"] = False
        for name in _PROC_HIDDEN:
            if os.path.exists(f"{proc}/{name}"):
                kernel.bind("/dev/null", f"{proc}/{name}")

#!/usr/bin/env bash
# probe.sh [X.Y]: cmle/probe:X.Y, this machine's Python and the libraries that it asks for. For tests.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
short=${1:-3.7}
image=${CMLE_IMAGE:-cmle/probe:$short}
engine_or_fail
one_at_a_time
find_python "$short"
key=$(key_of "$(<"${BASH_SOURCE[0]}")" "$(declare -f python_tree)" "$version" "$prefix" \
    "$(cat /etc/debian_version 2>/dev/null)")
if made "$key"; then
    say "up to date (Python $version)"
    exit
fi
began=$SECONDS
make_work
root=$work/root

programs=(sh cat chown cp dd env false head id kill ln ls mkdir nproc rm sleep stat true)
say "collecting Python $version and the libraries that it asks for"
python_tree "$root/usr/local"
mkdir -p "$root"/{bin,etc,lib,lib64,tmp,run,proc,sys,dev,root,var/tmp,usr/bin}
chmod 1777 "$root/tmp" "$root/var/tmp"
rm -rf "$root/usr/local/lib/python$short"/{ensurepip/_bundled,lib2to3,pydoc_data}
for program in "${programs[@]}"; do
    cp -L "$(type -P "$program")" "$root/bin/$program"
done
ln -s /bin/env "$root/usr/bin/env"

# libraries: what the dynamic linker of this machine would load for all of it.
libraries() {
    find "$prefix/bin/python$short" "$root/usr/local/lib" -type f \( -name '*.so*' -o -name python\* \) -print0 |
        LD_LIBRARY_PATH=$prefix/lib xargs -0 ldd 2>/dev/null || true
    ldd "$root"/bin/* 2>/dev/null || true
    /sbin/ldconfig -p | grep -E 'lib(nss_dns|nss_files|resolv|gcc_s|stdc\+\+)\.so' || true
}
libraries | grep -oE '/[^ ]+\.so[^ ]*' | grep -v -e "^$prefix" -e "^$root" -e ':$' | sort -u |
    while read -r library; do
        cp -L --parents "$library" "$root"
    done
echo 'root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/tmp:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:
nogroup:x:65534:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
cp /etc/debian_version "$root/etc/" 2>/dev/null || true
/sbin/ldconfig -r "$root" /usr/local/lib /usr/lib /lib 2>/dev/null
library=usr/local/lib/python$short
(cd "$root" && "$prefix/bin/python$short" -m compileall -q -x site-packages -d "/$library" "$library") \
    >/dev/null || true

import() {
    tar -C "$root" --owner=0 --group=0 --numeric-owner -c . | docker import \
        -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8' \
        -c 'CMD ["python3"]' -c "LABEL cmle.key=$key cmle.python=$version" - "$image" >/dev/null
}
replace import
say "made in $((SECONDS - began)) s"

# cmle/base: Debian's packages, and a Python of the machine that builds it in /usr/local.
ARG DEBIAN
FROM ${DEBIAN}
ADD python.tar /usr/local/
RUN ldconfig \
 && python3 -m ensurepip --default-pip >/dev/null 2>&1 \
 && ln -sf pip3 /usr/local/bin/pip \
 && { python3 -m compileall -q /usr/local/lib >/dev/null || true; } \
 && python3 -c 'import bz2, ctypes, curses, lzma, readline, sqlite3, ssl, uuid, zlib'
CMD ["python3"]

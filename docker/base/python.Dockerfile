# cmle/base: Debian's packages, and a Python of the machine that builds it in /usr/local.
ARG DEBIAN
FROM ${DEBIAN}
ADD python.tar /usr/local/
RUN ldconfig \
 && { python3 -m compileall -q -x site-packages /usr/local/lib >/dev/null || true; } \
 && python3 -c 'import bz2, ctypes, curses, lzma, readline, sqlite3, ssl, uuid, zlib' \
 && pip --version
CMD ["python3"]

# The emulator as a service of compose.yaml: jobs run beside it, through the engine's socket.
# The context is the checkout; wheels/ in it takes the place of a package index.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
LABEL cmle.stage=build
COPY . /source
RUN set -eu; \
    cd /source; \
    python3 -m venv --without-pip /opt/cmle; \
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_PROGRESS_BAR=off; \
    if [ -d wheels ]; then export PIP_NO_INDEX=1 PIP_FIND_LINKS=/source/wheels; fi; \
    pip="python3 -m pip --python /opt/cmle/bin/python"; \
    $pip install --quiet --no-compile --require-hashes --no-deps --requirement requirements/docker.txt; \
    $pip install --quiet --no-compile --no-deps --no-build-isolation .; \
    $pip uninstall --quiet --yes hatchling editables pathspec pluggy tomlkit trove-classifiers; \
    # It makes virtual environments; here runtimes are images.
    rm -f /opt/cmle/bin/uv /opt/cmle/bin/uvx; \
    python3 -m compileall -q /opt/cmle/lib/python3*/site-packages/emulator; \
    /opt/cmle/bin/cmle --version

FROM ${BASE_IMAGE}
USER 0
# The docker command builds runtime images; iptables closes the machine to jobs.
RUN set -eu; \
    apt-get update -qq; \
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends iptables; \
    cd /tmp; \
    apt-get download -qq docker.io; \
    dpkg-deb --fsys-tarfile docker.io_*.deb | tar -x -C / ./usr/bin/docker; \
    rm -rf docker.io_*.deb /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old /var/log/*; \
    docker --version; \
    mkdir -p /data /run/cmle
COPY --from=build /opt/cmle /opt/cmle
ENV PATH=/opt/cmle/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 PYTHONUNBUFFERED=1 CMLE_DATA_DIR=/data CMLE_CACHE_DIR=/data/cache
STOPSIGNAL SIGTERM
ENTRYPOINT ["cmle"]
CMD ["serve", "--runner", "docker"]

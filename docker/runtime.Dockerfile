# A runtime version as an image, made by `cmle runtimes build --image` with a context of its own:
# installers.txt and packages.txt (the pinned requirements of docker/runtimes), check.py,
# library/ (what is beside the packages) and wheels/ (archives, when there is no index).
# The package index comes in as secrets, so that no layer and no history names it.
# A base image without OpenMP's library, which XGBoost's wheels up to 0.90 lack, gets Debian's.
ARG BASE_IMAGE=python:3.7-slim
FROM ${BASE_IMAGE}
USER 0
ENV LANG=C.UTF-8 PYTHONUNBUFFERED=1
RUN --mount=type=bind,target=/context \
    --mount=type=secret,id=ca \
    --mount=type=secret,id=pip \
    --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    set -eu; \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    if [ -s /run/secrets/pip ]; then export PIP_CONFIG_FILE=/run/secrets/pip; fi; \
    if command -v apt-get >/dev/null && ! ldconfig -p | grep -q libgomp.so.1; then \
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends libgomp1; } || \
            echo 'libgomp1 could not be installed: XGBoost 0.90 will not load' >&2; \
        rm -rf /var/lib/apt/lists/*; \
    fi; \
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_PROGRESS_BAR=off; \
    cd /context; \
    for part in installers packages; do \
        if [ -s $part.txt ]; then \
            python3 -m pip install --no-deps --no-build-isolation --requirement $part.txt; \
        fi; \
    done; \
    cp -R library/. "$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"; \
    ln -sf python3 /usr/local/bin/python; \
    mkdir -p /usr/local/share/cmle; \
    chown 65534 /usr/local/share/cmle
# A replica's own folders, and one file of authorities under every name that is in use: with
# these, and the label, nothing is unpacked into a container. The file comes at its start.
RUN set -eu; \
    mkdir -p /user_dir; \
    chown 65534:65534 /root /user_dir; \
    python3 -c 'import os; os.chmod("/root", 0o700)'; \
    for name in pki/ca-trust/extracted/pem/tls-ca-bundle.pem pki/tls/cacert.pem pki/tls/cert.pem \
        pki/tls/certs/ca-bundle.crt ssl/ca-bundle.pem ssl/cert.pem; do \
        mkdir -p "/etc/${name%/*}"; \
        ln -sf /etc/ssl/certs/ca-certificates.crt "/etc/$name"; \
    done
LABEL cmle.ready=1
# Replicas run as nobody: so does the check, which leaves what it found to the builder.
USER 65534
RUN --mount=type=bind,target=/context \
    HOME=/tmp python3 /context/check.py > /usr/local/share/cmle/runtime.json
USER 0

# fake-gcs-server alone: a static program and its folders, nothing else.
# SERVER_IMAGE is any image with /bin/fake-gcs-server; services.sh makes one without a registry.
ARG SERVER_IMAGE=fsouza/fake-gcs-server:1.56.1
FROM ${SERVER_IMAGE} AS server
FROM scratch
COPY --from=server /bin/fake-gcs-server /bin/fake-gcs-server
# What is not finished lies beside the objects, in the same file system.
WORKDIR /storage/part
WORKDIR /storage/objects
ENV TMPDIR=/storage/part GOGC=400 GOMEMLIMIT=128MiB
EXPOSE 4443
ENTRYPOINT ["/bin/fake-gcs-server"]
CMD ["-scheme", "http", "-host", "0.0.0.0", "-port", "4443", "-backend", "filesystem", \
     "-filesystem-root", "/storage/objects", "-public-host", "storage.googleapis.com", \
     "-log-level", "error"]

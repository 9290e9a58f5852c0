# Builds and runs with: docker build --tag resumeguard . && docker run --rm --publish 9286:9286 --volume resumeguard:/var/lib/resumeguard resumeguard run --connect URL
# Needs BuildKit (Docker 23 or newer), Podman or Buildah. `cargo xtask image` runs each of its steps.
FROM docker.io/library/rust:1.95-bookworm AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /src
COPY . .
# What was downloaded and compiled stays with the builder: after a change, only what has changed is compiled again.
# Of the libraries that the program is linked with, zlib is the one that the image below has not.
RUN --mount=type=cache,id=resumeguard-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=resumeguard-target,target=/src/target \
    cargo build --release --locked --bin resumeguard \
    && install -D --mode=0755 target/release/resumeguard /out/root/usr/bin/resumeguard \
    && install -D --mode=0644 "$(ldd target/release/resumeguard | awk '/libz\.so\.1/ { print $3 }')" /out/root/usr/lib/libz.so.1 \
    && install --directory /out/state

# glibc, OpenSSL, certificates, a user without rights; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="resumeguard" \
      org.opencontainers.image.description="Watches the resume tokens of MongoDB's Kafka source connectors against the oplog" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/root/ /
COPY --from=build --chown=65532:65532 /out/state /var/lib/resumeguard
# Whatever is missing is missed here, not where it runs.
RUN ["/usr/bin/resumeguard", "--version"]
# In a container the page is for the outside; credentials for anything that changes something come with [http].
ENV RESUMEGUARD__HTTP__LISTEN=0.0.0.0:9286
# The history and the journal; mount a volume here to keep them, writable for user 65532.
ENV RESUMEGUARD__HISTORY__DIRECTORY=/var/lib/resumeguard
VOLUME /var/lib/resumeguard
EXPOSE 9286
USER 65532:65532
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/usr/bin/resumeguard", "healthcheck"]
ENTRYPOINT ["/usr/bin/resumeguard"]
CMD ["run"]

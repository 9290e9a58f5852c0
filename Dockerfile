# Built and run by hand with: docker build -t resumeguard . && docker run --rm -p 9286:9286 -v resumeguard:/var/lib/resumeguard resumeguard run --connect URL
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin resumeguard

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/resumeguard /usr/bin/resumeguard
RUN ["/usr/bin/resumeguard", "--version"]
# In a container the page is for the outside; credentials for anything that changes come with recovery.
ENV RESUMEGUARD__HTTP__LISTEN=0.0.0.0:9286
# The history; mount a volume here to keep it, writable for user 65532.
ENV RESUMEGUARD__HISTORY__DIRECTORY=/var/lib/resumeguard
RUN install --directory --owner=65532 --group=65532 --mode=0700 /var/lib/resumeguard
VOLUME /var/lib/resumeguard
EXPOSE 9286
USER 65532:65532
HEALTHCHECK CMD ["/usr/bin/resumeguard", "healthcheck"]
ENTRYPOINT ["/usr/bin/resumeguard"]
CMD ["run"]

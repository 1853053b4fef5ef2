# The service as an image. `docs/operations.md` says how it is run.
FROM rust:1.95-slim-trixie AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package gatewright && cp target/release/gatewright /gatewright

FROM debian:trixie-slim
# git fetches sources into the mirror cache; the certificates are those that forges are known by.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/gatewright --create-home gatewright
COPY --from=build /gatewright /usr/local/bin/gatewright
USER 10001
WORKDIR /var/lib/gatewright
ENV GATEWRIGHT_CONFIG=/etc/gatewright/gatewright.toml
VOLUME /var/lib/gatewright
EXPOSE 8080
# Docker knows 0 and 1 only.
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s \
    CMD gatewright check --health http://127.0.0.1:8080/healthz || exit 1
ENTRYPOINT ["gatewright"]
CMD ["serve"]

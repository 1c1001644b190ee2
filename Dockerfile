# syntax=docker/dockerfile:1

# --- build ---
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
# "demo" adds the `hubgate demo` command with its imitations of the providers.
ARG FEATURES=""
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --no-default-features --features "$FEATURES" \
 && mkdir -p /out/data \
 && cp target/release/hubgate /out/hubgate \
 && strip --strip-debug /out/hubgate

# --- run: libc, certificates, no shell ---
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/hubgate /usr/local/bin/hubgate
COPY --from=build --chown=65532:65532 /out/data /data
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/hubgate/
ENV HUBGATE_SERVER__LISTEN=0.0.0.0:8080 \
    HUBGATE_METRICS__LISTEN=0.0.0.0:9464 \
    HUBGATE_STORE__DATA_DIR=/data \
    HUBGATE_CATALOG__PATH=/mappings \
    HUBGATE_LOG__FORMAT=json
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s --retries=3 CMD ["/usr/local/bin/hubgate", "health"]
ENTRYPOINT ["/usr/local/bin/hubgate"]
CMD ["serve"]

# The decision service (`portcullis serve`) in a container: docs/decision-service.md, "In a container".
# Not built in continuous integration, which has no Docker. The base images are named by tag; pin their digests
# (`docker buildx imagetools inspect IMAGE`) where you build for production.
ARG RUST=1.95.0

FROM rust:${RUST}-slim-bookworm AS build
# Of rust-toolchain.toml only the version counts here: what else it lists is for development.
ARG RUST
ENV RUSTUP_TOOLCHAIN=${RUST}
WORKDIR /build
COPY . .
# Only what is downloaded outlives the build. What was compiled does not: cargo goes by the times of sources, and at this
# path it would take those of another checkout for compiled, or a program for another processor. cargo's own lock is
# beside the cache and not in it, so builds take turns.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    cargo build --locked --release --package portcullis-cli --bin portcullis

# glibc, libgcc_s, and neither shell nor package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/portcullis /usr/local/bin/portcullis
# `nonroot` by its number, which Kubernetes can check (runAsNonRoot).
USER 65532:65532
# The policy directory, read only: docker run -v "$PWD/policy:/policy:ro".
VOLUME ["/policy"]
EXPOSE 8080
# Serve finishes what is under way at SIGTERM, which takes up to 25 s: docker run --stop-timeout 30.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/portcullis"]
CMD ["serve", "--policy", "/policy", "--listen", "0.0.0.0:8080"]
# No HEALTHCHECK: there is nothing in the image that could ask. Who runs it asks GET /health/ready.

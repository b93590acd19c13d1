# hark in a container. docs/operations.md says how to run it, and what each flag gives:
#
#   docker build -t hark .
#   docker run --rm --network=host hark                        (without privileges: says what is off)
#
# Where no image registry can be reached, deploy/docker-base-images.sh makes the two base images.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The kernel programs are committed as an object: no BPF toolchain is needed here.
RUN cargo build --release --locked --package hark-agent --package hark \
    && install -D -t /out target/release/hark-agent target/release/hark

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="hark" \
      org.opencontainers.image.description="Hears a Linux host, and says when it is off its beat" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /out/ /usr/local/bin/
COPY deploy/agent.toml /etc/hark/agent.toml
# Events and what was learned from them.
VOLUME /var/lib/hark
# Over the Unix socket, so without a token: ready means that the store takes events.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["hark", "status"]
ENTRYPOINT ["hark-agent"]
CMD ["run"]

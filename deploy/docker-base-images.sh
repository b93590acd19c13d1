#!/usr/bin/env bash
# Makes the base images that the Dockerfile names, for hosts that reach a Debian mirror and the
# crates, but no image registry:
#
#   debian:bookworm-slim   by debootstrap
#   rust:1.95-bookworm     the same with gcc and this host's Rust toolchain
#
# Needs root, docker and debootstrap, and a rustup toolchain. DEBIAN_MIRROR names another mirror.
set -euo pipefail

mirror=${DEBIAN_MIRROR:-}
toolchain=$(rustc --print sysroot)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$(id -u)" -ne 0 ]; then
    echo "$0: debootstrap needs root" >&2
    exit 1
fi

echo "debian:bookworm-slim"
debootstrap --variant=minbase bookworm "$work/debian" ${mirror:+"$mirror"} >"$work/debootstrap.log" ||
    { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
# What the slim image leaves out as well.
rm -rf "$work"/debian/usr/share/{doc,man,info,locale}/* \
    "$work"/debian/var/{cache/apt,lib/apt/lists,log}/*
tar -C "$work/debian" -c . | docker import --change 'CMD ["bash"]' - debian:bookworm-slim

echo "rust:1.95-bookworm"
cp -a "$work/debian" "$work/rust"
chroot "$work/rust" sh -ec '
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        ca-certificates gcc libc6-dev pkg-config >/dev/null
    rm -rf /var/cache/apt/* /var/lib/apt/lists/*'
mkdir -p "$work/rust/usr/local/cargo"
# The toolchain without its documentation.
tar -C "$toolchain" --exclude=./share/doc --exclude=./share/man -c . |
    tar -C "$work/rust/usr/local" -x
# The certificates that this host trusts, and so those of a proxy on its way out.
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    cp -L /etc/ssl/certs/ca-certificates.crt "$work/rust/etc/ssl/certs/"
fi
tar -C "$work/rust" -c . |
    docker import --change 'ENV CARGO_HOME=/usr/local/cargo' - rust:1.95-bookworm

docker image ls --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep -E '^(debian:bookworm-slim|rust:1.95)'

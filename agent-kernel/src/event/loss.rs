//! UDP datagrams that did not arrive.

use std::net::SocketAddr;

/// A socket had no room for UDP datagrams that came in. The event's process has the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpDrop {
    /// The address and port that the socket receives at.
    pub local: SocketAddr,
    /// Why, as `errno`: `ENOMEM` where the socket's own queue was full, `ENOBUFS` where the memory was
    /// used up that the kernel grants to all UDP sockets.
    pub error: i32,
    /// How many since the last event about it.
    pub count: u64,
    /// How long ago that event was, in nanoseconds; absent for the first.
    pub since: Option<u64>,
}

/// A UDP socket was told (by ICMP) that what it sent did not arrive. The event's process has the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpError {
    /// The address and port that it sends from.
    pub local: SocketAddr,
    /// Where it sends to; absent where the socket has no peer of its own.
    pub remote: Option<SocketAddr>,
    /// What it was told, as `errno`: `ECONNREFUSED` where nobody listens there.
    pub error: i32,
    /// How often since the last event about it.
    pub count: u64,
    /// How long ago that event was, in nanoseconds; absent for the first.
    pub since: Option<u64>,
}

//! What is counted of UDP datagrams that do not arrive.

use bytemuck::{Pod, Zeroable};

/// Entries of the account of datagrams that did not arrive.
pub const UDP_LOSSES_MAX: u32 = 1_024;

/// The socket had no room for what came in.
pub const UDP_DROP: u16 = 0;
/// The socket was told that what it sent did not arrive.
pub const UDP_ERROR: u16 = 1;

/// What UDP datagrams that did not arrive are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct UdpLossKey {
    /// Inode of the socket; 0 where no process has it any more.
    pub inode: u64,
    /// Local address; IPv4 in the first four bytes.
    pub local: [u8; 16],
    /// Remote address; all zero where the socket has no peer of its own.
    pub remote: [u8; 16],
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// Local port, in host order.
    pub local_port: u16,
    /// Remote port, in host order; 0 where the socket has no peer of its own.
    pub remote_port: u16,
    /// `UDP_*`.
    pub what: u16,
    /// The error, as `errno`.
    pub error: u32,
    /// Keeps the size a multiple of 8.
    pub reserved: u32,
}

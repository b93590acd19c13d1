//! Internet sockets: their ends, and whose they are.

use crate::kernel::{member, value};

pub(crate) const AF_INET: u16 = 2;
pub(crate) const AF_INET6: u16 = 10;

/// The two ends of a connection.
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) family: u16,
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
    pub(crate) local: [u8; 16],
    pub(crate) remote: [u8; 16],
}

/// Extends an IPv4 address to the room of an IPv6 one.
#[inline(always)]
pub(crate) fn v4(address: [u8; 4]) -> [u8; 16] {
    let mut wide = [0; 16];
    wide[0] = address[0];
    wide[1] = address[1];
    wide[2] = address[2];
    wide[3] = address[3];
    wide
}

/// The ends of a socket; `None` where it is no internet socket.
#[inline(always)]
pub(crate) fn ends_of(sock: u64) -> Option<Ends> {
    let family = member!(sock, skc_family => u16)?;
    let (local, remote) = if family == AF_INET6 {
        (
            member!(sock, skc_v6_rcv_saddr => [u8; 16])?,
            member!(sock, skc_v6_daddr => [u8; 16])?,
        )
    } else if family == AF_INET {
        (
            v4(member!(sock, skc_rcv_saddr => [u8; 4])?),
            v4(member!(sock, skc_daddr => [u8; 4])?),
        )
    } else {
        return None;
    };
    let mut local_port = member!(sock, skc_num => u16)?;
    if local_port == 0 && is_full(member!(sock, skc_state => u8)?) {
        // The port is given back before a connection is closed; the copy for the wire stays.
        local_port = u16::from_be(member!(sock, inet_sport => u16)?);
    }
    Some(Ends {
        family,
        local_port,
        remote_port: u16::from_be(member!(sock, skc_dport => u16)?),
        local,
        remote,
    })
}

/// Whether a socket in this state is a whole one, as the kernel's `sk_fullsock` has it.
#[inline(always)]
fn is_full(state: u8) -> bool {
    const TIME_WAIT: u8 = 6;
    const NEW_SYN_RECV: u8 = 12;
    state != TIME_WAIT && state != NEW_SYN_RECV
}

/// Its network namespace.
#[inline(always)]
pub(crate) fn namespace_of(sock: u64) -> u32 {
    let net = value!(sock, skc_net => u64);
    value!(net, net_inum => u32)
}

/// Inode of the socket, by which the agent finds the process; 0 where no process has it any more.
#[inline(always)]
pub(crate) fn inode_of(sock: u64) -> u64 {
    let socket = value!(sock, sk_socket => u64);
    if socket == 0 {
        return 0;
    }
    value!(socket, socket_inode => u64)
}

//! Listening sockets whose queue of connections is full: the kernel counts what it turns away there, and
//! tells it over netlink, <https://man7.org/linux/man-pages/man7/sock_diag.7.html>. No tracepoint does.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};

use bytemuck::{Pod, Zeroable};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::KernelEvent;
use crate::clock::{Clock, since_boot};
use crate::event::{Data, ListenOverflow};
use crate::listeners;
use crate::table::Table;

/// While a queue stays full, it is told this often: nanoseconds.
const INTERVAL: u64 = 10_000_000_000;
/// Sockets that are watched; further ones are left out.
const MAX_SOCKETS: usize = 16_384;

/// `SOCK_DIAG_BY_FAMILY`, and what ends an answer.
const BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 1 | 0x300;
/// `INET_DIAG_SKMEMINFO`, and where `SK_MEMINFO_DROPS` is in it.
const MEMORY: u16 = 7;
const DROPS: usize = 8;
/// The state `TCP_LISTEN`, as a bit.
const LISTEN: u32 = 1 << 10;
const IPPROTO_TCP: u8 = 6;
const FAMILIES: [u8; 2] = [libc::AF_INET as u8, libc::AF_INET6 as u8];

/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Request {
    len: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    family: u8,
    protocol: u8,
    extensions: u8,
    pad: u8,
    states: u32,
    id: [u32; 12],
}

/// `struct nlmsghdr`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Head {
    len: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
}

/// `struct inet_diag_msg`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Message {
    family: u8,
    state: u8,
    timer: u8,
    retransmits: u8,
    local_port: [u8; 2],
    remote_port: [u8; 2],
    local: [u8; 16],
    remote: [u8; 16],
    interface: u32,
    cookie: [u32; 2],
    expires: u32,
    queued: u32,
    limit: u32,
    uid: u32,
    inode: u32,
}

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    cookie: [u32; 2],
    local: SocketAddr,
    inode: u32,
    queued: u32,
    limit: u32,
    drops: u32,
}

/// What is remembered of one: how often it had turned connections away when that was told last, and
/// when that was.
#[derive(Clone, Copy)]
struct Told {
    drops: u32,
    at: u64,
}

/// Looks at the listening sockets of the agent's network namespace.
pub(crate) struct Backlogs {
    netlink: OwnedFd,
    told: HashMap<[u32; 2], Told>,
}

impl Backlogs {
    /// Connects to the kernel, and notes what its sockets have turned away so far; else reason and
    /// remedy.
    pub(crate) fn open() -> Result<Self, (String, &'static str)> {
        let failed = |error: Errno| {
            (
                format!("netlink does not tell of sockets: {error}"),
                "let the agent open netlink sockets (AF_NETLINK in RestrictAddressFamilies of its \
                 unit), on a kernel built with CONFIG_INET_DIAG",
            )
        };
        let netlink = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(SOCK_DIAG),
        )
        .map_err(failed)?;
        let mut new = Self {
            netlink,
            told: HashMap::new(),
        };
        for socket in new.sockets().map_err(failed)? {
            let drops = socket.drops;
            new.told.insert(socket.cookie, Told { drops, at: 0 });
        }
        Ok(new)
    }

    /// Puts an event for each socket that has turned connections away since the last one into `events`.
    pub(crate) fn look(&mut self, table: &mut Table, events: &mut Vec<KernelEvent>) {
        let sockets = match self.sockets() {
            Ok(sockets) => sockets,
            Err(error) => {
                tracing::debug!(%error, "netlink does not tell of sockets");
                return;
            }
        };
        let now = since_boot();
        let mut told = HashMap::with_capacity(sockets.len());
        for socket in sockets {
            let before = self
                .told
                .get(&socket.cookie)
                .copied()
                .unwrap_or(Told { drops: 0, at: 0 });
            let news = socket.drops.wrapping_sub(before.drops);
            if news == 0 || before.at != 0 && now.saturating_sub(before.at) < INTERVAL {
                told.insert(socket.cookie, before);
                continue;
            }
            let drops = socket.drops;
            told.insert(socket.cookie, Told { drops, at: now });
            let owner = listeners::owner(u64::from(socket.inode));
            events.push(KernelEvent {
                time: Clock::now().wall(now),
                process: owner.and_then(|pid| table.find(pid)).map(Box::new),
                data: Data::ListenOverflow(ListenOverflow {
                    local: socket.local,
                    refused: news,
                    queued: socket.queued,
                    limit: socket.limit,
                }),
            });
        }
        self.told = told; // sockets that were closed are forgotten
    }

    fn sockets(&self) -> Result<Vec<Socket>, Errno> {
        let mut sockets = Vec::new();
        for family in FAMILIES {
            let request = Request {
                len: size_of::<Request>() as u32,
                kind: BY_FAMILY,
                flags: DUMP,
                sequence: u32::from(family),
                port: 0,
                family,
                protocol: IPPROTO_TCP,
                extensions: 1 << (MEMORY - 1),
                pad: 0,
                states: LISTEN,
                id: [0; 12],
            };
            let kernel = SocketAddrNetlink::new(0, 0);
            rustix::net::sendto(
                &self.netlink,
                bytemuck::bytes_of(&request),
                SendFlags::empty(),
                &kernel,
            )?;
            self.answers(u32::from(family), &mut sockets)?;
        }
        sockets.truncate(MAX_SOCKETS);
        Ok(sockets)
    }

    fn answers(&self, sequence: u32, sockets: &mut Vec<Socket>) -> Result<(), Errno> {
        let mut buffer = vec![0_u8; 32 << 10];
        loop {
            // The answer is ready when the request has been sent; that it never comes is not expected.
            let mut fds = [PollFd::from_borrowed_fd(
                self.netlink.as_fd(),
                PollFlags::IN,
            )];
            let second = Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            if poll(&mut fds, Some(&second))? == 0 {
                return Err(Errno::TIMEDOUT);
            }
            let (read, _) = rustix::net::recv(&self.netlink, &mut buffer[..], RecvFlags::empty())?;
            let mut rest = &buffer[..read];
            while let Some((head, body, next)) = message(rest) {
                rest = next;
                if head.sequence != sequence {
                    continue; // of a request that was given up
                }
                match head.kind {
                    DONE => return Ok(()),
                    ERROR => {
                        let code = body
                            .first_chunk()
                            .map_or(0, |code| i32::from_ne_bytes(*code));
                        return Err(Errno::from_raw_os_error(-code));
                    }
                    _ => sockets.extend(socket(body)),
                }
            }
        }
    }
}

/// The first message: its head, its body, and what follows.
fn message(bytes: &[u8]) -> Option<(Head, &[u8], &[u8])> {
    let head: Head = bytemuck::try_pod_read_unaligned(bytes.get(..size_of::<Head>())?).ok()?;
    let len = head.len as usize;
    let body = bytes.get(size_of::<Head>()..len)?;
    let next = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    Some((head, body, next))
}

fn socket(body: &[u8]) -> Option<Socket> {
    let (message, mut attributes) = body.split_at_checked(size_of::<Message>())?;
    let message: Message = bytemuck::try_pod_read_unaligned(message).ok()?;
    let mut drops = None;
    while let Some(([a, b, c, d], _)) = attributes.split_first_chunk() {
        let len = usize::from(u16::from_ne_bytes([*a, *b]));
        let value = attributes.get(4..len)?;
        if u16::from_ne_bytes([*c, *d]) == MEMORY {
            let word = value.get(DROPS * 4..)?.first_chunk()?;
            drops = Some(u32::from_ne_bytes(*word));
        }
        attributes = attributes
            .get(len.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    let ip = if i32::from(message.family) == libc::AF_INET {
        let [a, b, c, d, ..] = message.local;
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    } else {
        IpAddr::V6(Ipv6Addr::from(message.local))
    };
    Some(Socket {
        cookie: message.cookie,
        local: SocketAddr::new(ip, u16::from_be_bytes(message.local_port)),
        inode: message.inode,
        queued: message.queued,
        limit: message.limit,
        drops: drops?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn listening_sockets_are_told_with_their_queues() {
        let v4 = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let v6 = std::net::TcpListener::bind("[::1]:0").expect("bind");
        let _waits = std::net::TcpStream::connect(v4.local_addr().expect("address"));
        let sockets = Backlogs::open().expect("netlink").sockets().expect("told");
        let found = |listener: &std::net::TcpListener| {
            let address = listener.local_addr().expect("address");
            *sockets.iter().find(|s| s.local == address).expect("told")
        };
        let queue = |socket: Socket| (socket.queued, socket.limit, socket.drops);
        assert_eq!(queue(found(&v4)), (1, 128, 0));
        assert_eq!(queue(found(&v6)), (0, 128, 0));
    }

    proptest! {
        #[test]
        fn any_answer_is_understood_or_left(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut rest = &bytes[..];
            while let Some((head, body, next)) = message(rest) {
                prop_assert!(head.len as usize <= rest.len());
                let _ = socket(body);
                if next.len() == rest.len() {
                    break;
                }
                rest = next;
            }
            let _ = socket(&bytes);
        }
    }
}

//! Listening TCP sockets that are older than the agent, and whose they are. The kernel programs note
//! those that come later.

use std::collections::{BTreeMap, HashMap};
use std::fs;

use hark_ebpf::Task;

use crate::procfs;

/// Network namespace and port.
type Port = (u32, u32);

/// The process of each listening port. Where several share a socket, as a server and its workers do,
/// it is the one with the lowest id.
pub(crate) fn find() -> Vec<(Port, Task)> {
    let pids = procfs::pids();
    // One process of each namespace shows all of its sockets.
    let mut namespaces: BTreeMap<u32, u32> = BTreeMap::new();
    for pid in &pids {
        if let Some(namespace) = namespace(*pid) {
            namespaces.entry(namespace).or_insert(*pid);
        }
    }
    let mut ports: HashMap<u64, Port> = HashMap::new();
    for (namespace, pid) in namespaces {
        for table in ["tcp", "tcp6"] {
            let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
            for (port, inode) in text.lines().filter_map(parse_line) {
                ports.insert(inode, (namespace, port));
            }
        }
    }
    let mut found = Vec::new();
    for pid in pids {
        if ports.is_empty() {
            break;
        }
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            continue;
        };
        for descriptor in descriptors.flatten() {
            let socket = fs::read_link(descriptor.path()).ok();
            if let Some(inode) = socket.as_ref().and_then(|path| inode(path.to_str()?))
                && let Some(port) = ports.remove(&inode)
                && let Some(task) = procfs::task(pid)
            {
                found.push((port, task));
            }
        }
    }
    found
}

/// The process that holds a socket, by the socket's inode; of several, the one with the lowest id.
pub(crate) fn owner(socket: u64) -> Option<u32> {
    procfs::pids().into_iter().find(|pid| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"));
        descriptors.is_ok_and(|descriptors| {
            descriptors.flatten().any(|descriptor| {
                let link = fs::read_link(descriptor.path()).ok();
                link.as_ref().and_then(|path| inode(path.to_str()?)) == Some(socket)
            })
        })
    })
}

fn namespace(pid: u32) -> Option<u32> {
    let link = fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
    link.to_str()?
        .strip_prefix("net:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// `socket:[12345]`
fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// Port and inode of a listening socket from a line of `/proc/net/tcp`,
/// <https://docs.kernel.org/networking/proc_net_tcp.html>.
fn parse_line(line: &str) -> Option<(u32, u64)> {
    const LISTEN: &str = "0A";
    let mut words = line.split_whitespace();
    let (_, port) = words.nth(1)?.rsplit_once(':')?;
    let port = u32::from_str_radix(port, 16).ok()?;
    if words.nth(1)? != LISTEN {
        return None;
    }
    Some((port, words.nth(5)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_socket_is_found_with_its_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = u32::from(listener.local_addr().expect("address").port());
        let namespace = namespace(std::process::id()).expect("namespace");
        let found = find();
        let owner = found.iter().find(|(p, _)| *p == (namespace, port));
        assert_eq!(owner.map(|(_, task)| task.pid), Some(std::process::id()));
    }

    #[test]
    fn lines_of_other_states_are_left_out() {
        let head = "   0: 0100007F:1388 00000000:0000";
        let tail = "00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0 0 10 0";
        assert_eq!(parse_line(&format!("{head} 0A {tail}")), Some((5000, 4242)));
        assert_eq!(parse_line(&format!("{head} 01 {tail}")), None);
        assert_eq!(parse_line("  sl  local_address rem_address   st"), None);
    }
}

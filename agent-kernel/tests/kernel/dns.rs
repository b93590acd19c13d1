use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use hark_kernel::{Data, Dns, Feature, KernelEvent};

use crate::listener::{Listener, assert_recent, pid};

/// A query for `name`, which has one label; its type follows.
fn query(id: u8, name: &[u8], kind: u8) -> Vec<u8> {
    let mut bytes = vec![0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.len() as u8];
    bytes.extend(name);
    bytes.extend([0, 0, kind, 0, 1]);
    bytes
}

/// A server's socket; `None` where another server has the port.
fn server(address: &str) -> Option<UdpSocket> {
    let address: IpAddr = address.parse().expect("an address");
    UdpSocket::bind((address, 53))
        .inspect_err(|error| println!("SKIPPED: {address} port 53: {error}"))
        .ok()
}

fn ask(server: SocketAddr, question: &[u8]) -> UdpSocket {
    let any = if server.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any).expect("a socket");
    let wait = Some(Duration::from_secs(10));
    socket.set_read_timeout(wait).expect("a deadline");
    socket.connect(server).expect("connect");
    socket.send(question).expect("sent");
    socket
}

/// Asks a server that answers with a code and one record, as its header says.
fn converse(server: &UdpSocket, question: &[u8], code: u8) {
    let client = ask(server.local_addr().expect("an address"), question);
    let mut bytes = [0; 512];
    let (len, from) = server.recv_from(&mut bytes).expect("a query");
    bytes[2] |= 0x80;
    bytes[3] |= code;
    bytes[7] = 1;
    server.send_to(&bytes[..len], from).expect("an answer");
    client.recv(&mut [0; 512]).expect("the answer");
}

fn about(name: &str) -> impl Fn(&KernelEvent) -> Option<Dns> + '_ {
    move |event| match &event.data {
        Data::Dns(dns) if dns.name == name => Some(dns.clone()),
        _ => None,
    }
}

#[test]
fn names_that_are_asked_for_are_told_with_their_answers() {
    let Some(listener) = Listener::start(&[Feature::Dns]) else {
        return;
    };
    for (address, name, kind, code, told_kind, told_code) in [
        ("127.0.0.153", "hark-test-four", 1, 0, "A", "NOERROR"),
        ("::1", "hark-test-six", 28, 3, "AAAA", "NXDOMAIN"),
    ] {
        let Some(server) = server(address) else {
            continue;
        };
        converse(&server, &query(7, name.as_bytes(), kind), code);
        let (event, dns) = listener.wait(name, about(name));
        assert_recent(&event);
        assert_eq!(pid(&event), Some(std::process::id()));
        assert_eq!(dns.server, server.local_addr().expect("an address"));
        assert_eq!((dns.kind.as_str(), dns.answers), (told_kind, 1));
        assert_eq!(dns.code.as_deref(), Some(told_code));
        assert!(dns.latency > Some(0) && !dns.is_failed());
        assert_eq!(listener.all(about(name)).len(), 1);
    }
}

#[test]
fn a_query_without_an_answer_is_told() {
    let Some(listener) = Listener::start(&[Feature::Dns]) else {
        return;
    };
    let Some(server) = server("127.0.0.154") else {
        return;
    };
    let address = server.local_addr().expect("an address");
    let _client = ask(address, &query(9, b"hark-test-never", 16));
    let (event, dns) = listener.wait("that there is no answer", about("hark-test-never"));
    assert_recent(&event);
    assert_eq!(pid(&event), Some(std::process::id()));
    assert_eq!((dns.server, dns.kind.as_str()), (address, "TXT"));
    assert_eq!((dns.code.as_deref(), dns.latency), (None, None));
    assert!(dns.is_failed());
}

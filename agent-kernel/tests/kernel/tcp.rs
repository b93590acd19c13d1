use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use hark_kernel::{ConnectOutcome, Data, Ends, Feature, KernelEvent, Owner};

use crate::listener::{Listener, assert_recent, pid};

fn listen(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).expect("bind");
    let address = listener.local_addr().expect("address");
    (listener, address)
}

fn ends(local: SocketAddr, remote: SocketAddr) -> Ends {
    Ends { local, remote }
}

fn own(event: &KernelEvent) {
    assert_recent(event);
    let process = event.process.as_ref().expect("a process");
    assert_eq!(process.pid, std::process::id());
    assert_eq!(
        process.exe.as_deref(),
        std::env::current_exe().expect("exe").to_str()
    );
}

/// A whole conversation, at the addresses that each side's events must show.
fn conversation(bind: &str, connect_to: Option<&str>) {
    let Some(kernel) = Listener::start(&[Feature::Tcp, Feature::Process]) else {
        return;
    };
    let (listener, mut server) = listen(bind);
    if let Some(ip) = connect_to {
        server.set_ip(ip.parse().expect("an address"));
    }
    let mut outgoing = TcpStream::connect(server).expect("connect");
    let client = outgoing.local_addr().expect("address");
    let (mut incoming, _) = listener.accept().expect("accept");
    outgoing.write_all(&[1; 1000]).expect("write");
    incoming.read_exact(&mut [0; 1000]).expect("read");
    incoming.write_all(&[2; 300]).expect("write");
    outgoing.read_exact(&mut [0; 300]).expect("read");
    drop(outgoing); // first: the other end is not in TIME-WAIT then
    assert_eq!(incoming.read(&mut [0; 1]).expect("end"), 0);
    drop(incoming);

    let (event, connect) = kernel.wait("the connection", |event| match event.data {
        Data::TcpConnect(connect) if connect.ends == ends(client, server) => Some(connect),
        _ => None,
    });
    own(&event);
    assert_eq!(
        (connect.owner, connect.outcome),
        (Owner::Connector, ConnectOutcome::Established)
    );
    let latency = connect.latency.expect("a latency");
    assert!((1..10_000_000_000).contains(&latency), "{latency}");

    let (event, accept) = kernel.wait("its other end", |event| match event.data {
        Data::TcpAccept(accept) if accept.ends == ends(server, client) => Some(accept),
        _ => None,
    });
    own(&event);
    assert_eq!(accept.owner, Owner::Listener);

    let close = |local, remote| {
        kernel
            .wait("its end", |event| match event.data {
                Data::TcpClose(close) if close.ends == ends(local, remote) => {
                    Some((event.clone(), close))
                }
                _ => None,
            })
            .1
    };
    let (event, close_out) = close(client, server);
    own(&event);
    assert_eq!(
        (close_out.owner, close_out.outgoing),
        (Owner::Connector, Some(true))
    );
    assert_eq!((close_out.sent, close_out.received), (1000, 300));
    assert_eq!((close_out.retransmits, close_out.error), (0, 0));
    assert!(close_out.duration.expect("a duration") > 0);
    let (event, close_in) = close(server, client);
    own(&event);
    assert_eq!(
        (close_in.owner, close_in.outgoing),
        (Owner::Closer, Some(false))
    );
    assert_eq!((close_in.sent, close_in.received), (300, 1000));
    assert!(close_in.duration.expect("a duration") > 0);
}

#[test]
fn a_conversation_is_told_from_both_ends() {
    conversation("127.0.0.1:0", None);
}

#[test]
fn a_conversation_over_ipv6_is_told() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("SKIPPED: this host has no IPv6");
        return;
    }
    conversation("[::1]:0", None);
}

#[test]
fn ipv4_peers_of_ipv6_sockets_are_told_as_ipv4() {
    if TcpListener::bind("[::]:0").is_err() {
        println!("SKIPPED: this host has no IPv6");
        return;
    }
    conversation("[::]:0", Some("127.0.0.1"));
}

#[test]
fn a_refused_connection_is_told_with_the_reset_behind_it() {
    let Some(kernel) = Listener::start(&[Feature::Tcp, Feature::Process]) else {
        return;
    };
    let (listener, server) = listen("127.0.0.1:0");
    drop(listener);
    TcpStream::connect(server).expect_err("refused");
    let (event, connect) = kernel.wait("the failure", |event| match event.data {
        Data::TcpConnect(connect) if connect.ends.remote == server => Some(connect),
        _ => None,
    });
    own(&event);
    assert_eq!(connect.outcome, ConnectOutcome::Failed(111), "ECONNREFUSED");
    assert_eq!(connect.owner, Owner::Connector);
    assert_eq!(connect.ends.local.ip(), Ipv4Addr::LOCALHOST);
    let client = connect.ends.local;
    assert_ne!(client.port(), 0);
    assert!(connect.latency.expect("a latency") > 0);

    let (_, sent) = kernel.wait("the reset", |event| match &event.data {
        Data::TcpReset(reset) if reset.sent && reset.ends == ends(server, client) => {
            Some((pid(event), reset.clone()))
        }
        _ => None,
    });
    assert_eq!(sent.0, None, "nobody listens");
    assert_eq!((sent.1.owner, sent.1.state), (Owner::Unknown, None));
    // Kernels before 6.10 tell no reason.
    assert!(
        matches!(sent.1.reason.as_deref(), None | Some("no_socket")),
        "{:?}",
        sent.1.reason
    );
    let (event, received) = kernel.wait("its arrival", |event| match &event.data {
        Data::TcpReset(reset) if !reset.sent && reset.ends == ends(client, server) => {
            Some(reset.clone())
        }
        _ => None,
    });
    own(&event);
    assert_eq!(
        (received.owner, received.state),
        (Owner::Connector, Some("SYN-SENT"))
    );
    assert_eq!(received.reason, None);
}

#[test]
fn a_reset_in_a_conversation_is_told_from_both_ends() {
    let Some(kernel) = Listener::start(&[Feature::Tcp, Feature::Process]) else {
        return;
    };
    let (listener, server) = listen("127.0.0.1:0");
    let mut outgoing = TcpStream::connect(server).expect("connect");
    let client = outgoing.local_addr().expect("address");
    let (incoming, _) = listener.accept().expect("accept");
    outgoing.write_all(b"never read").expect("write");
    incoming.peek(&mut [0; 1]).expect("data"); // it is there
    drop(incoming); // with unread data, this is a reset

    let (event, sent) = kernel.wait("the reset", |event| match &event.data {
        Data::TcpReset(reset) if reset.sent && reset.ends == ends(server, client) => {
            Some(reset.clone())
        }
        _ => None,
    });
    own(&event);
    assert_eq!(sent.owner, Owner::Listener);
    let (event, received) = kernel.wait("its arrival", |event| match &event.data {
        Data::TcpReset(reset) if !reset.sent && reset.ends == ends(client, server) => {
            Some(reset.clone())
        }
        _ => None,
    });
    own(&event);
    assert_eq!(
        (received.owner, received.state),
        (Owner::Connector, Some("ESTABLISHED"))
    );
    let (_, close) = kernel.wait("the end", |event| match event.data {
        Data::TcpClose(close) if close.ends == ends(client, server) => Some(close),
        _ => None,
    });
    assert_eq!(close.error, 104, "ECONNRESET");
}

#[test]
fn a_segment_sent_again_is_told() {
    let Some(kernel) = Listener::start(&[Feature::Tcp, Feature::Process]) else {
        return;
    };
    // A listener whose queue is full drops what comes: SYNs are sent again after a second.
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        None,
    )
    .expect("socket");
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("bind");
    rustix::net::listen(&socket, 0).expect("listen");
    let listener = TcpListener::from(socket);
    let server = listener.local_addr().expect("address");
    let mut queued = Vec::new();
    let again = crate::listener::wait_until("a full queue", || {
        match TcpStream::connect_timeout(&server, Duration::from_millis(2_500)) {
            Ok(stream) => {
                queued.push(stream);
                None
            }
            Err(error) => Some(error.kind()),
        }
    });
    assert_eq!(again, std::io::ErrorKind::TimedOut);
    let (event, again) = kernel.wait("the segment", |event| match event.data {
        Data::TcpRetransmit(again) if again.ends.remote == server => Some(again),
        _ => None,
    });
    own(&event);
    assert_eq!((again.owner, again.state), (Owner::Connector, "SYN-SENT"));
    assert_eq!(again.ends.local.ip(), Ipv4Addr::LOCALHOST);
    // Its caller gave up: no error of the network.
    let (event, connect) = kernel.wait("the failure", |event| match event.data {
        Data::TcpConnect(connect) if connect.ends == again.ends => Some(connect),
        _ => None,
    });
    own(&event);
    assert_eq!(connect.outcome, ConnectOutcome::Aborted);
    assert!(connect.latency.expect("a latency") > 2_000_000_000);
}

#[test]
fn listeners_older_than_the_agent_are_known() {
    let (listener, server) = listen("127.0.0.1:0");
    let (listener6, server6) = match TcpListener::bind("[::1]:0") {
        Ok(listener) => {
            let address = listener.local_addr().expect("address");
            (Some(listener), address)
        }
        Err(_) => (None, SocketAddr::from((Ipv6Addr::LOCALHOST, 0))),
    };
    let Some(kernel) = Listener::start(&[Feature::Tcp, Feature::Process]) else {
        return;
    };
    for (listener, server) in [(Some(listener), server), (listener6, server6)] {
        let Some(_listener) = listener else { continue };
        let stream = TcpStream::connect(server).expect("connect");
        let client = stream.local_addr().expect("address");
        let (event, accept) = kernel.wait("the connection", |event| match event.data {
            Data::TcpAccept(accept) if accept.ends == ends(server, client) => Some(accept),
            _ => None,
        });
        own(&event);
        assert_eq!(accept.owner, Owner::Listener);
    }
}

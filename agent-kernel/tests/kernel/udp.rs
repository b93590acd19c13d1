use std::net::UdpSocket;
use std::process::Command;

use hark_kernel::{Data, Feature, Filter, Ignore, KernelEvent};

use crate::listener::{Listener, assert_recent, pid, wait_until};

/// A receiver that does not receive, and so much for it that its queue is full.
fn overrun(address: &str) -> UdpSocket {
    let receiver = UdpSocket::bind((address, 0)).expect("a socket");
    let sender = UdpSocket::bind((address, 0)).expect("a socket");
    let to = receiver.local_addr().expect("an address");
    for _ in 0..4_000 {
        sender.send_to(&[7; 1_000], to).expect("sent");
    }
    receiver
}

#[test]
fn datagrams_without_room_are_told_with_the_process_that_does_not_receive() {
    let Some(listener) = Listener::start(&[Feature::Udp]) else {
        return;
    };
    for address in ["127.0.0.1", "::1"] {
        let receiver = overrun(address);
        let local = receiver.local_addr().expect("an address");
        let (event, drop) = listener.wait("the drops", |event| match event.data {
            Data::UdpDrop(drop) if drop.local == local => Some(drop),
            _ => None,
        });
        assert_recent(&event);
        assert_eq!(pid(&event), Some(std::process::id()));
        assert_eq!((drop.error, drop.since), (libc::ENOMEM, None));
        assert!((1..=4_000).contains(&drop.count), "{}", drop.count);
        let line = event.into_event(hark_api::Timestamp::now()).message;
        assert!(
            line.contains("were dropped, for its queue was full"),
            "{line}"
        );
    }
}

#[test]
fn datagrams_to_where_nobody_is_are_told_with_the_peer() {
    let Some(listener) = Listener::start(&[Feature::Udp]) else {
        return;
    };
    let nobody = UdpSocket::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("an address");
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    sender.connect(nobody).expect("connect");
    sender.send(b"hello").expect("sent");
    let local = sender.local_addr().expect("an address");
    let (event, error) = listener.wait("the error", |event| match event.data {
        Data::UdpError(error) if error.local == local => Some(error),
        _ => None,
    });
    assert_recent(&event);
    assert_eq!(pid(&event), Some(std::process::id()));
    assert_eq!(error.remote, Some(nobody));
    assert_eq!((error.error, error.count), (libc::ECONNREFUSED, 1));
}

#[test]
fn datagrams_that_arrive_are_not_told_nor_those_of_commands_that_are_ignored() {
    let Some(listener) = Listener::start(&[Feature::Udp]) else {
        return;
    };
    let filter = Filter {
        ignore: Ignore {
            commands: vec!["hark-deaf".to_owned()],
            ..Ignore::default()
        },
        ..Filter::NONE
    };
    listener.kernel.set_filter(&filter).expect("a filter");
    let directory = tempfile::tempdir().expect("a directory");
    let deaf = directory.path().join("hark-deaf");
    std::os::unix::fs::symlink("/usr/bin/python3", &deaf).expect("another name");
    let script = "import socket, time\n\
                  r = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
                  r.bind(('127.0.0.1', 0))\n\
                  for i in range(4000): r.sendto(bytes(1000), r.getsockname())\n\
                  print(r.getsockname()[1], flush=True)\n\
                  time.sleep(600)";
    let mut child = Command::new(&deaf)
        .args(["-c", script])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3");
    let mut line = String::new();
    let mut said = std::io::BufReader::new(child.stdout.take().expect("output"));
    std::io::BufRead::read_line(&mut said, &mut line).expect("a port");
    let ignored: u16 = line.trim().parse().expect("a port");
    // What is told later than it was counted shows that the other was passed over.
    let receiver = overrun("127.0.0.1");
    let port = receiver.local_addr().expect("an address").port();
    let of = |event: &KernelEvent| match event.data {
        Data::UdpDrop(drop) => Some(drop.local.port()),
        _ => None,
    };
    wait_until("the other's drops", || {
        listener.all(of).contains(&port).then_some(())
    });
    child.kill().expect("kill");
    child.wait().expect("end");
    assert!(!listener.all(of).contains(&ignored));
}

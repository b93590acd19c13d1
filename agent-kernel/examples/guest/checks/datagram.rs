//! UDP, and names that are asked for.

use std::net::UdpSocket;
use std::time::Duration;

use hark_kernel::{Data, Kernel};

use crate::checks::{Failure, about, cannot, expect};
use crate::hearing::Hearing;

const QUESTION: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x0ahark-check\x07example\0\0\x1c\0\x01";

pub(crate) fn dns(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let server = UdpSocket::bind("127.0.0.53:53").map_err(cannot("bind"))?;
    let client = UdpSocket::bind("127.0.0.1:0").map_err(cannot("bind"))?;
    for socket in [&server, &client] {
        let wait = Some(Duration::from_secs(10));
        socket
            .set_read_timeout(wait)
            .map_err(cannot("a deadline"))?;
    }
    client.connect("127.0.0.53:53").map_err(cannot("connect"))?;
    client.send(QUESTION).map_err(cannot("send"))?;
    let mut bytes = [0; 512];
    let (len, from) = server.recv_from(&mut bytes).map_err(cannot("receive"))?;
    bytes[2] |= 0x80;
    bytes[3] |= 3;
    server
        .send_to(&bytes[..len], from)
        .map_err(cannot("send"))?;
    client.recv(&mut [0; 512]).map_err(cannot("receive"))?;
    let told = hearing.wait(|event| match &event.data {
        Data::Dns(dns) if dns.name == "hark-check.example" => {
            about(event, std::process::id()).map(|_| dns.clone())
        }
        _ => None,
    })?;
    expect("the type", &told.kind.as_str(), &"AAAA")?;
    expect("the code", &told.code.as_deref(), &Some("NXDOMAIN"))?;
    if told.latency > Some(0) {
        Ok(())
    } else {
        Err(Failure::Wrong(format!("it took {:?} ns", told.latency)))
    }
}

pub(crate) fn no_room(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let receiver = UdpSocket::bind("127.0.0.1:0").map_err(cannot("bind"))?;
    let sender = UdpSocket::bind("127.0.0.1:0").map_err(cannot("bind"))?;
    let to = receiver.local_addr().map_err(cannot("bind"))?;
    for _ in 0..2_000 {
        sender.send_to(&[7; 1_000], to).map_err(cannot("send"))?;
    }
    let drop = hearing.wait(|event| match event.data {
        Data::UdpDrop(drop) if drop.local == to => about(event, std::process::id()).map(|_| drop),
        _ => None,
    })?;
    expect("the error", &drop.error, &12)?; // ENOMEM
    if (1..2_000).contains(&drop.count) {
        Ok(())
    } else {
        Err(Failure::Wrong(format!("{} were dropped", drop.count)))
    }
}

pub(crate) fn nobody(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let closed = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let closed = closed.map_err(cannot("bind"))?;
    let sender = UdpSocket::bind("127.0.0.1:0").map_err(cannot("bind"))?;
    sender.connect(closed).map_err(cannot("connect"))?;
    sender.send(b"hello").map_err(cannot("send"))?;
    let error = hearing.wait(|event| match event.data {
        Data::UdpError(error) if error.remote == Some(closed) => {
            about(event, std::process::id()).map(|_| error)
        }
        _ => None,
    })?;
    expect("the error", &(error.error, error.count), &(111, 1)) // ECONNREFUSED
}

//! Connections.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use hark_kernel::{ConnectOutcome, Data, Kernel, KernelEvent};

use crate::checks::{Failure, cannot, expect};
use crate::hearing::Hearing;

pub(crate) fn connection_v4(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    connection(hearing, Ipv4Addr::LOCALHOST.into())
}

pub(crate) fn connection_v6(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    connection(hearing, Ipv6Addr::LOCALHOST.into())
}

/// One connection, both of whose ends are here: 5 bytes there, 3 back.
fn connection(hearing: &Hearing, address: IpAddr) -> Result<(), Failure> {
    let listener = TcpListener::bind((address, 0)).map_err(cannot("bind"))?;
    let server = listener.local_addr().map_err(cannot("bind"))?;
    let mut here = TcpStream::connect(server).map_err(cannot("connect"))?;
    let client = here.local_addr().map_err(cannot("connect"))?;
    let (mut there, _) = listener.accept().map_err(cannot("accept"))?;
    let mut buffer = [0; 8];
    here.write_all(b"hello").map_err(cannot("write"))?;
    there.read_exact(&mut buffer[..5]).map_err(cannot("read"))?;
    there.write_all(b"yes").map_err(cannot("write"))?;
    here.read_exact(&mut buffer[..3]).map_err(cannot("read"))?;
    drop(here);
    drop(there);

    let own = std::process::id();
    let connect = hearing.wait(|event| match &event.data {
        Data::TcpConnect(c) if c.ends.local == client && c.ends.remote == server => {
            Some((*c, event.process.as_ref().map(|p| p.pid)))
        }
        _ => None,
    });
    let (connect, pid) = connect.map_err(|failure| failure.of("the connect"))?;
    expect(
        "the outcome",
        &connect.outcome,
        &ConnectOutcome::Established,
    )?;
    expect("the process", &pid, &Some(own))?;
    let accept = |event: &KernelEvent| match &event.data {
        Data::TcpAccept(a) if a.ends.local == server && a.ends.remote == client => Some(()),
        _ => None,
    };
    hearing
        .wait(accept)
        .map_err(|failure| failure.of("the accept"))?;
    let close = |local: SocketAddr, remote: SocketAddr| {
        let told = hearing.wait(|event| match &event.data {
            Data::TcpClose(c) if c.ends.local == local && c.ends.remote == remote => Some(*c),
            _ => None,
        });
        told.map_err(|failure| failure.of("the close"))
    };
    let near = close(client, server)?;
    expect("which end opened it", &near.outgoing, &Some(true))?;
    expect("what it received", &near.received, &3)?;
    let far = close(server, client)?;
    expect("which end opened it", &far.outgoing, &Some(false))?;
    expect("what it received", &far.received, &5)
}

/// A port on which nobody listens.
fn closed_port() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot("bind"))?;
    listener.local_addr().map_err(cannot("bind"))
}

pub(crate) fn refused(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let server = closed_port()?;
    if TcpStream::connect(server).is_ok() {
        return Err(Failure::NotCaused("somebody listens".to_owned()));
    }
    let (outcome, pid) = hearing.wait(|event| match &event.data {
        Data::TcpConnect(c) if c.ends.remote == server => {
            Some((c.outcome, event.process.as_ref().map(|p| p.pid)))
        }
        _ => None,
    })?;
    expect("the outcome", &outcome, &ConnectOutcome::Failed(111))?;
    expect("the process", &pid, &Some(std::process::id()))
}

/// A connection that one end gives up instead of closing it.
pub(crate) fn reset(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot("bind"))?;
    let server = listener.local_addr().map_err(cannot("bind"))?;
    let here = TcpStream::connect(server).map_err(cannot("connect"))?;
    let client = here.local_addr().map_err(cannot("connect"))?;
    let (there, _) = listener.accept().map_err(cannot("accept"))?;
    let at_once = Some(Duration::ZERO);
    rustix::net::sockopt::set_socket_linger(&here, at_once).map_err(cannot("SO_LINGER"))?;
    drop(here);
    let told = |sent: bool, local: SocketAddr, remote: SocketAddr| {
        hearing.wait(|event| match &event.data {
            Data::TcpReset(r) if r.sent == sent => {
                (r.ends.local == local && r.ends.remote == remote).then_some(())
            }
            _ => None,
        })
    };
    told(true, client, server).map_err(|failure| failure.of("the one sent"))?;
    told(false, server, client).map_err(|failure| failure.of("the one received"))?;
    drop(there);
    Ok(())
}

pub(crate) fn stray(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let server = closed_port()?;
    let _ = TcpStream::connect(server);
    let reason = hearing.wait(|event| match &event.data {
        Data::TcpReset(r) if r.sent && r.ends.local == server => Some(r.reason.clone()),
        _ => None,
    })?;
    match reason {
        Some(reason) if reason.eq_ignore_ascii_case("no_socket") => Ok(()),
        _ => Err(Failure::Wrong(format!(
            "the reason was no_socket, but told was {reason:?}"
        ))),
    }
}

pub(crate) fn retransmit(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    // For documentation only; the machine's first process sends it to where nobody answers.
    let nobody = SocketAddr::from(([192, 0, 2, 1], 9));
    if TcpStream::connect_timeout(&nobody, Duration::from_millis(3_500)).is_ok() {
        return Err(Failure::NotCaused("somebody answered".to_owned()));
    }
    let state = hearing.wait(|event| match &event.data {
        Data::TcpRetransmit(r) if r.ends.remote == nobody => Some(r.state.to_owned()),
        _ => None,
    })?;
    if state.to_ascii_uppercase().replace('_', "-") == "SYN-SENT" {
        Ok(())
    } else {
        Err(Failure::Wrong(format!(
            "the state was SYN-SENT, but told was {state}"
        )))
    }
}

//! Connections, and names that are asked for.

use hark_api::Fields;
use rustix::io::Errno;

use super::{errno_name, seconds};
use crate::event::{
    ConnectOutcome, Dns, Ends, Owner, TcpClose, TcpConnect, TcpReset, UdpDrop, UdpError,
};

pub(super) fn set_ends(fields: &mut Fields, ends: Ends, owner: Owner) {
    fields.set("local", ends.local.to_string());
    fields.set("remote", ends.remote.to_string());
    let owner = match owner {
        Owner::Unknown => return,
        Owner::Connector => "connector",
        Owner::Listener => "listener",
        Owner::Closer => "closer",
    };
    fields.set("owner", owner);
}

pub(super) fn connect(connect: TcpConnect, who: &str, fields: &mut Fields) -> String {
    let remote = connect.ends.remote;
    if let Some(latency) = connect.latency {
        fields.set("latency", seconds(latency));
    }
    match connect.outcome {
        ConnectOutcome::Established => {
            fields.set("outcome", "established");
            format!("{who} connected to {remote}")
        }
        ConnectOutcome::Failed(errno) => {
            let name = errno_name(errno);
            fields.set("outcome", "failed");
            fields.set("errno", errno);
            fields.set("error", name.as_str());
            format!("{who} could not connect to {remote}: {name}")
        }
        ConnectOutcome::Aborted => {
            fields.set("outcome", "aborted");
            format!("{who} gave up connecting to {remote}")
        }
    }
}

pub(super) fn close(close: TcpClose, who: &str, fields: &mut Fields) -> String {
    if let Some(outgoing) = close.outgoing {
        fields.set("outgoing", outgoing);
    }
    if let Some(duration) = close.duration {
        fields.set("duration", seconds(duration));
    }
    fields.set("received_bytes", close.received);
    fields.set("sent_bytes", close.sent);
    fields.set("retransmits", close.retransmits);
    fields.set("srtt", f64::from(close.srtt_us) / 1e6);
    let mut line = format!("connection of {who} with {} ended", close.ends.remote);
    if close.error != 0 {
        let name = errno_name(close.error);
        line = format!("{line}: {name}");
        fields.set("errno", close.error);
        fields.set("error", name);
    }
    line
}

pub(super) fn reset(reset: &TcpReset, fields: &mut Fields) -> String {
    fields.set("sent", reset.sent);
    if let Some(state) = reset.state {
        fields.set("tcp_state", state);
    }
    if let Some(reason) = &reset.reason {
        fields.set("reason", reason.as_ref());
    }
    let Ends { local, remote } = reset.ends;
    match (&reset.reason, reset.sent) {
        (_, false) => format!("{remote} reset its connection with {local}"),
        (None, true) => format!("reset sent from {local} to {remote}"),
        (Some(reason), true) => format!("reset sent from {local} to {remote}: {reason}"),
    }
}

pub(super) fn dns(dns: Dns, who: &str, fields: &mut Fields) -> String {
    let Dns {
        name, kind, server, ..
    } = dns;
    let mut line = format!("{who} asked {} for {kind} {name}: ", server.ip());
    if let Some(latency) = dns.latency {
        fields.set("latency", seconds(latency));
    }
    match &dns.code {
        Some(code) => {
            fields.set("code", code.as_str());
            fields.set("answers", dns.answers);
            line.push_str(code);
        }
        None => line.push_str("no answer"),
    }
    fields.set("name", name);
    fields.set("type", kind);
    fields.set("server", server.to_string());
    line
}

pub(super) fn udp_drop(drop: UdpDrop, who: &str, fields: &mut Fields) -> String {
    let why = if drop.error == Errno::NOBUFS.raw_os_error() {
        "the memory for all UDP sockets was used up"
    } else {
        "its queue was full"
    };
    fields.set("local", drop.local.to_string());
    fields.set("count", drop.count);
    fields.set("errno", drop.error);
    fields.set("error", errno_name(drop.error));
    if let Some(since) = drop.since {
        fields.set("duration", seconds(since));
    }
    format!(
        "{who} does not receive fast enough on {}: {} datagrams were dropped, for {why}",
        drop.local, drop.count
    )
}

pub(super) fn udp_error(error: UdpError, who: &str, fields: &mut Fields) -> String {
    let name = errno_name(error.error);
    let to = match error.remote {
        Some(remote) => remote.to_string(),
        None => "its peers".to_owned(),
    };
    fields.set("local", error.local.to_string());
    if error.remote.is_some() {
        fields.set("remote", to.as_str());
    }
    fields.set("count", error.count);
    fields.set("errno", error.error);
    fields.set("error", name.as_str());
    if let Some(since) = error.since {
        fields.set("duration", seconds(since));
    }
    let times = match error.count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    format!("{who} sent datagrams to {to} in vain: {name}, {times}")
}

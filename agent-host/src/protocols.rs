//! Network protocols, from /proc/net/snmp, netstat, sockstat and the connection tracker.

use hark_api::vitals::Tcp;
use hark_api::{MetricType, SeriesKey};

use crate::Metric;
use crate::memory::metric_part;
use crate::scan::{lines, number, real, words};
use crate::table::{Cell, Family, List, Table, gauge};

/// More than any kernel counts that hark takes.
const MAX_FIELDS: usize = 256;

static CONNTRACK: [Family; 2] = [
    gauge(
        "node_nf_conntrack_entries",
        "Number of currently allocated flow entries for connection tracking.",
    ),
    gauge(
        "node_nf_conntrack_entries_limit",
        "Maximum size of connection tracking table.",
    ),
];

/// Network protocols.
#[derive(Debug)]
pub(crate) struct Protocols {
    counters: List,
    sockets: List,
    conntrack: Table,
}

impl Protocols {
    pub(crate) fn new() -> Self {
        Self {
            counters: List::new(MAX_FIELDS),
            sockets: List::new(MAX_FIELDS),
            conntrack: Table::new(&CONNTRACK, &[], 1),
        }
    }

    /// Reads /proc/net/snmp or /proc/net/netstat: pairs of lines, names over numbers.
    pub(crate) fn update(&mut self, text: &[u8], interval: Option<f64>, tcp: &mut Tcp) {
        let mut lines = lines(text);
        while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
            let (mut names, mut values) = (words(names), words(values));
            let (Some(section), Some(same)) = (names.next(), values.next()) else {
                continue;
            };
            let Some(section) = section.strip_suffix(b":").filter(|_| section == same) else {
                continue;
            };
            for (name, value) in names.zip(values) {
                // Some are negative, as in `Tcp MaxConn -1`.
                if let Some(value) = real(value).filter(|_| is_wanted(section, name)) {
                    self.set(section, name, value, interval, tcp);
                }
            }
        }
    }

    fn set(
        &mut self,
        section: &[u8],
        name: &[u8],
        value: f64,
        interval: Option<f64>,
        tcp: &mut Tcp,
    ) {
        let kind = match (section, name) {
            (b"Tcp", b"CurrEstab") | (b"Ip", b"Forwarding") => MetricType::Gauge,
            _ => MetricType::Counter,
        };
        let rate = self.counters.set((section, name), value, interval, || {
            let (section, name) = (metric_part(section), metric_part(name));
            Cell::new(
                SeriesKey::new(&format!("node_netstat_{section}_{name}")),
                kind,
                "Protocol statistic, from /proc/net/snmp and /proc/net/netstat.",
            )
        });
        let rate = rate.unwrap_or(0.0);
        match (section, name) {
            (b"Tcp", b"CurrEstab") => tcp.established = value as u64,
            (b"Tcp", b"ActiveOpens") => tcp.active_opens = rate,
            (b"Tcp", b"PassiveOpens") => tcp.passive_opens = rate,
            (b"Tcp", b"RetransSegs") => tcp.retransmits = rate,
            (b"Tcp", b"OutRsts") => tcp.resets = rate,
            (b"TcpExt", b"ListenDrops") => tcp.listen_drops = rate,
            _ => {}
        }
    }

    /// Reads /proc/net/sockstat: `TCP: inuse 5 orphan 0 …`.
    pub(crate) fn sockstat(&mut self, text: &[u8]) {
        for line in lines(text) {
            let mut words = words(line);
            let Some(section) = words.next().and_then(|w| w.strip_suffix(b":")) else {
                continue;
            };
            while let (Some(name), Some(value)) = (words.next(), words.next().and_then(number)) {
                self.sockets.set((section, name), value as f64, None, || {
                    let (section, name) = (metric_part(section), metric_part(name));
                    Cell::new(
                        SeriesKey::new(&format!("node_sockstat_{section}_{name}")),
                        MetricType::Gauge,
                        "Sockets, from /proc/net/sockstat.",
                    )
                });
            }
        }
    }

    /// Takes the number of tracked connections and their limit.
    pub(crate) fn conntrack(&mut self, entries: Option<u64>, limit: Option<u64>) {
        if let (Some(row), Some(entries), Some(limit)) = (self.conntrack.row(&[]), entries, limit) {
            row.set(0, entries as f64, None);
            row.set(1, limit as f64, None);
        }
    }

    pub(crate) fn emit(&mut self, out: &mut Vec<Metric>) {
        self.counters.emit(out);
        self.sockets.emit(out);
        self.conntrack.emit(out);
    }
}

/// The selection that `node_exporter` makes.
fn is_wanted(section: &[u8], name: &[u8]) -> bool {
    match section {
        b"Tcp" => matches!(
            name,
            b"ActiveOpens"
                | b"CurrEstab"
                | b"InErrs"
                | b"InSegs"
                | b"OutRsts"
                | b"OutSegs"
                | b"PassiveOpens"
                | b"RetransSegs"
        ),
        b"TcpExt" => {
            name.starts_with(b"Listen")
                || name.starts_with(b"Syncookies")
                || matches!(
                    name,
                    b"TCPOFOQueue" | b"TCPRcvQDrop" | b"TCPSynRetrans" | b"TCPTimeouts"
                )
        }
        b"Udp" => matches!(
            name,
            b"InDatagrams"
                | b"InErrors"
                | b"NoPorts"
                | b"OutDatagrams"
                | b"RcvbufErrors"
                | b"SndbufErrors"
        ),
        b"UdpLite" => name == b"InErrors",
        b"Ip" => name == b"Forwarding",
        b"IpExt" => matches!(name, b"InOctets" | b"OutOctets"),
        b"Icmp" => matches!(name, b"InErrors" | b"InMsgs" | b"OutMsgs"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs_of_lines_become_counters_and_rates() {
        let mut protocols = Protocols::new();
        let mut tcp = Tcp::default();
        let text = |opens: u64| {
            format!(
                "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: MaxConn ActiveOpens CurrEstab OutRsts\nTcp: -1 {opens} 3 1\n"
            )
        };
        protocols.update(text(10).as_bytes(), None, &mut tcp);
        protocols.sockstat(b"sockets: used 31\nTCP: inuse 5 orphan 0\n");
        protocols.conntrack(Some(1), None);
        protocols.emit(&mut Vec::new());
        protocols.update(text(16).as_bytes(), Some(2.0), &mut tcp);
        protocols.update(b"TcpExt: ListenDrops\nTcpExt: 5\n", Some(2.0), &mut tcp);
        protocols.sockstat(b"TCP: inuse 6\n");
        protocols.conntrack(Some(7), Some(100));
        assert_eq!(
            (tcp.established, tcp.active_opens, tcp.resets),
            (3, 3.0, 0.0)
        );
        let mut out = Vec::new();
        protocols.emit(&mut out);
        let shown: Vec<_> = out.iter().map(|m| (m.key.as_str(), m.value)).collect();
        assert_eq!(
            shown,
            [
                ("node_netstat_Ip_Forwarding", 1.0),
                ("node_netstat_Tcp_ActiveOpens", 16.0),
                ("node_netstat_Tcp_CurrEstab", 3.0),
                ("node_netstat_Tcp_OutRsts", 1.0),
                ("node_netstat_TcpExt_ListenDrops", 5.0),
                ("node_sockstat_TCP_inuse", 6.0),
                ("node_nf_conntrack_entries", 7.0),
                ("node_nf_conntrack_entries_limit", 100.0),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<Vec<u8>>(), lines in "((Tcp|TcpExt): [A-Za-z0-9 -]*\n)*") {
            let mut protocols = Protocols::new();
            for text in [text.as_slice(), lines.as_bytes()] {
                protocols.update(text, Some(1.0), &mut Tcp::default());
                protocols.sockstat(text);
                protocols.emit(&mut Vec::new());
            }
        }
    }
}

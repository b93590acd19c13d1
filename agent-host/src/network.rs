//! Network interfaces, from /proc/net/dev and /sys/class/net.

use std::path::Path;

use hark_api::vitals::Interface;

use crate::Metric;
use crate::kept::read_once;
use crate::scan::{lines, next, words};
use crate::table::{Family, Table, counter, gauge, text};

/// In the order of the file's columns, then whether the interface is up.
static FAMILIES: [Family; 17] = [
    counter(
        "node_network_receive_bytes_total",
        "Network device statistic receive_bytes.",
    ),
    counter(
        "node_network_receive_packets_total",
        "Network device statistic receive_packets.",
    ),
    counter(
        "node_network_receive_errs_total",
        "Network device statistic receive_errs.",
    ),
    counter(
        "node_network_receive_drop_total",
        "Network device statistic receive_drop.",
    ),
    counter(
        "node_network_receive_fifo_total",
        "Network device statistic receive_fifo.",
    ),
    counter(
        "node_network_receive_frame_total",
        "Network device statistic receive_frame.",
    ),
    counter(
        "node_network_receive_compressed_total",
        "Network device statistic receive_compressed.",
    ),
    counter(
        "node_network_receive_multicast_total",
        "Network device statistic receive_multicast.",
    ),
    counter(
        "node_network_transmit_bytes_total",
        "Network device statistic transmit_bytes.",
    ),
    counter(
        "node_network_transmit_packets_total",
        "Network device statistic transmit_packets.",
    ),
    counter(
        "node_network_transmit_errs_total",
        "Network device statistic transmit_errs.",
    ),
    counter(
        "node_network_transmit_drop_total",
        "Network device statistic transmit_drop.",
    ),
    counter(
        "node_network_transmit_fifo_total",
        "Network device statistic transmit_fifo.",
    ),
    counter(
        "node_network_transmit_colls_total",
        "Network device statistic transmit_colls.",
    ),
    counter(
        "node_network_transmit_carrier_total",
        "Network device statistic transmit_carrier.",
    ),
    counter(
        "node_network_transmit_compressed_total",
        "Network device statistic transmit_compressed.",
    ),
    gauge(
        "node_network_up",
        "Value is 1 if operstate is 'up', 0 otherwise.",
    ),
];

const COLUMNS: usize = 16;
const UP: usize = 16;

/// Network interfaces.
#[derive(Debug)]
pub(crate) struct Network {
    table: Table,
}

impl Network {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            table: Table::new(&FAMILIES, &["device"], limit),
        }
    }

    /// Reads /proc/net/dev; `sys` tells which interfaces are up. The buffer is for its files.
    pub(crate) fn update(
        &mut self,
        sys: &Path,
        dev: &[u8],
        interval: Option<f64>,
        buffer: &mut Vec<u8>,
    ) -> Vec<Interface> {
        let mut interfaces = Vec::new();
        for line in lines(dev) {
            // A name may hold a colon, the numbers may not.
            let Some(colon) = line.iter().rposition(|b| *b == b':') else {
                continue;
            };
            let device = text(line[..colon].trim_ascii());
            let mut columns = [0; COLUMNS];
            let mut words = words(&line[colon + 1..]);
            if !columns.iter_mut().all(|slot| {
                next(&mut words).is_some_and(|n| {
                    *slot = n;
                    true
                })
            }) {
                continue;
            }
            let Some(row) = self.table.row(&[&device]) else {
                continue;
            };
            let mut rates = [0.0; COLUMNS];
            for (column, value) in columns.into_iter().enumerate() {
                rates[column] = row.set(column, value as f64, interval).unwrap_or(0.0);
            }
            let state = operstate(sys, &device, buffer);
            if let Some(state) = state {
                row.set(UP, f64::from(u8::from(state == State::Up)), None);
            }
            interfaces.push(Interface {
                device: device.into_owned(),
                // Loopback and tunnels do not know their state: they are as good as up.
                up: state != Some(State::Down),
                rx_bytes: rates[0],
                rx_packets: rates[1],
                rx_errors: rates[2] + rates[3],
                tx_bytes: rates[8],
                tx_packets: rates[9],
                tx_errors: rates[10] + rates[11],
            });
        }
        interfaces
    }

    pub(crate) fn emit(&mut self, out: &mut Vec<Metric>) -> u64 {
        self.table.emit(out)
    }
}

/// The operational state of an interface (RFC 2863), as far as hark tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    Down,
    Unknown,
}

fn operstate(sys: &Path, device: &str, buffer: &mut Vec<u8>) -> Option<State> {
    if device.contains('/') || device.starts_with('.') {
        return None;
    }
    let path = format!("{}/class/net/{device}/operstate", sys.display());
    let text = read_once(&path, buffer).ok()?;
    Some(match text.trim_ascii() {
        b"up" => State::Up,
        b"unknown" => State::Unknown,
        _ => State::Down,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "Inter-|   Receive                            |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";

    #[test]
    fn interfaces_have_rates_and_a_state() {
        let sys = tempfile::tempdir().expect("tempdir");
        let state = |name: &str, state: &str| {
            let dir = sys.path().join("class/net").join(name);
            std::fs::create_dir_all(&dir).expect("mkdir");
            std::fs::write(dir.join("operstate"), state).expect("write");
        };
        state("eth0", "up\n");
        state("lo", "unknown\n");
        state("eth1", "down\n");
        let mut network = Network::new(8);
        let mut read = |eth0: u64, interval| {
            let line = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
            let text = format!(
                "{HEAD}  lo: {line}\n eth0:{eth0} 2 3 4 5 6 7 8 {eth0} 10 11 12 13 14 15 16\neth1: {line}\nbad: 1 2\n"
            );
            let seen = network.update(sys.path(), text.as_bytes(), interval, &mut Vec::new());
            let mut out = Vec::new();
            network.emit(&mut out);
            (seen, out)
        };
        read(1000, None);
        let (seen, out) = read(3000, Some(2.0));
        assert_eq!(
            seen.iter().map(|i| i.up).collect::<Vec<_>>(),
            [true, true, false]
        );
        assert_eq!(
            (seen[1].rx_bytes, seen[1].tx_bytes, seen[1].rx_errors),
            (1000.0, 1000.0, 0.0)
        );
        let value = |key: &str| out.iter().find(|m| m.key.as_str() == key).map(|m| m.value);
        assert_eq!(value(r#"node_network_up{device="eth0"}"#), Some(1.0));
        assert_eq!(value(r#"node_network_up{device="lo"}"#), Some(0.0));
        assert_eq!(
            value(r#"node_network_transmit_drop_total{device="eth1"}"#),
            Some(12.0)
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<Vec<u8>>(), lines in "([a-z:./]*:( [0-9]*){14,18}\n)*") {
            let mut network = Network::new(2);
            for text in [text.as_slice(), lines.as_bytes()] {
                network.update(Path::new("/nonexistent"), text, Some(1.0), &mut Vec::new());
                network.emit(&mut Vec::new());
            }
        }
    }
}

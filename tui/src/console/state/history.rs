//! The last minutes of the vital signs, for curves.

use std::collections::VecDeque;

use hark_api::{Timestamp, Vitals};

/// Readings kept: at one a second, ten minutes.
pub(crate) const READINGS: usize = 600;
/// Readings closer than this are one reading.
const SAME: i64 = 400_000_000;

/// What curves are drawn of. Shares are 0 to 1, the rest as in [`Vitals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    Cpu,
    CpuSystem,
    Memory,
    Swap,
    Load,
    PressureCpu,
    PressureMemory,
    PressureIo,
    DiskRead,
    DiskWrite,
    NetIn,
    NetOut,
    Switches,
    Forks,
    Retransmits,
    Resets,
}

/// How many curves there are.
pub(crate) const CURVES: usize = Curve::Resets as usize + 1;
/// A value of each curve, by its number.
pub(crate) type Values = [f32; CURVES];

struct Reading {
    time: Timestamp,
    values: Values,
    /// Each CPU's busy share; empty where it is not known.
    cpus: Box<[f32]>,
}

/// The last readings, oldest first.
#[derive(Default)]
pub(crate) struct History {
    readings: VecDeque<Reading>,
}

impl History {
    /// Adds a reading; one that is not newer than the last is ignored.
    pub(crate) fn push(&mut self, vitals: &Vitals) {
        if self.readings.back().is_some_and(|r| r.time >= vitals.time) {
            return;
        }
        if self.readings.len() == READINGS {
            self.readings.pop_front();
        }
        let pressure = vitals.pressure.unwrap_or_default();
        let sum = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>();
        let mut values: Values = [0.0; CURVES];
        for (curve, value) in [
            (Curve::Cpu, vitals.cpu.busy()),
            (Curve::CpuSystem, vitals.cpu.system + vitals.cpu.irq),
            (Curve::Memory, memory_share(vitals)),
            (Curve::Swap, swap_share(vitals)),
            (Curve::Load, vitals.load[0]),
            (Curve::PressureCpu, pressure.cpu.some),
            (Curve::PressureMemory, pressure.memory.some),
            (Curve::PressureIo, pressure.io.some),
            (
                Curve::DiskRead,
                sum(&mut vitals.disks.iter().map(|d| d.read_bytes)),
            ),
            (
                Curve::DiskWrite,
                sum(&mut vitals.disks.iter().map(|d| d.write_bytes)),
            ),
            (Curve::NetIn, sum(&mut outside(vitals).map(|i| i.rx_bytes))),
            (Curve::NetOut, sum(&mut outside(vitals).map(|i| i.tx_bytes))),
            (Curve::Switches, vitals.tasks.switches),
            (Curve::Forks, vitals.tasks.forks),
            (Curve::Retransmits, vitals.tcp.retransmits),
            (Curve::Resets, vitals.tcp.resets),
        ] {
            values[curve as usize] = value as f32;
        }
        self.readings.push_back(Reading {
            time: vitals.time,
            values,
            cpus: vitals.cpus.iter().map(|cpu| cpu.busy() as f32).collect(),
        });
    }

    /// Adds readings of the past where there are none of their time.
    pub(crate) fn fill(&mut self, past: Vec<(Timestamp, Values)>) {
        let known: Vec<i64> = self.readings.iter().map(|r| r.time.as_nanos()).collect();
        let is_known = |time: Timestamp| {
            let at = known.partition_point(|t| *t < time.as_nanos() - SAME);
            known.get(at).is_some_and(|t| *t <= time.as_nanos() + SAME)
        };
        let new = past.into_iter().filter(|(time, _)| !is_known(*time));
        let mut all: Vec<_> = std::mem::take(&mut self.readings).into();
        all.extend(new.map(|(time, values)| Reading {
            time,
            values,
            cpus: Box::default(),
        }));
        all.sort_by_key(|reading| reading.time);
        all.drain(..all.len().saturating_sub(READINGS));
        self.readings = all.into();
    }

    /// The values of a curve, newest first.
    pub(crate) fn newest_first(&self, curve: Curve) -> impl Iterator<Item = f64> + Clone + '_ {
        let readings = self.readings.iter().rev();
        readings.map(move |reading| f64::from(reading.values[curve as usize]))
    }

    /// One CPU's busy shares, newest first.
    pub(crate) fn cpu_newest_first(&self, cpu: usize) -> impl Iterator<Item = f64> + Clone + '_ {
        let readings = self.readings.iter().rev();
        readings.map_while(move |reading| reading.cpus.get(cpu).copied().map(f64::from))
    }
}

/// The interfaces that lead out of the host.
pub(crate) fn outside(vitals: &Vitals) -> impl Iterator<Item = &hark_api::vitals::Interface> {
    vitals.interfaces.iter().filter(|i| i.device != "lo")
}

/// The share of memory that new programs cannot have.
pub(crate) fn memory_share(vitals: &Vitals) -> f64 {
    share(vitals.memory.total, vitals.memory.available)
}

/// The share of swap space in use.
pub(crate) fn swap_share(vitals: &Vitals) -> f64 {
    share(vitals.memory.swap_total, vitals.memory.swap_free)
}

/// The share that is not left; 0 of nothing.
pub(crate) fn share(total: u64, left: u64) -> f64 {
    if total == 0 {
        0.0
    } else {
        total.saturating_sub(left) as f64 / total as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_bounded_and_in_order() {
        let mut history = History::default();
        let mut vitals = Vitals::default();
        for second in 1..=(READINGS as i64 + 50) {
            vitals.time = Timestamp::from_nanos(second);
            vitals.load[0] = second as f64;
            history.push(&vitals);
        }
        // The same reading again, as after a reconnect.
        history.push(&vitals);
        let loads: Vec<_> = history.newest_first(Curve::Load).collect();
        assert_eq!(loads.len(), READINGS);
        assert!(loads.windows(2).all(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn the_past_is_filled_in_where_nothing_is_known() {
        let mut history = History::default();
        let second = |s: i64| Timestamp::from_nanos(s * 1_000_000_000);
        let mut vitals = Vitals {
            time: second(100),
            ..Vitals::default()
        };
        vitals.load[0] = 1.0;
        history.push(&vitals);
        let mut past = [0.0; CURVES];
        past[Curve::Load as usize] = 9.0;
        let past = [98, 99, 100].map(|s| (second(s).plus_nanos(1_000), past));
        history.fill(past.to_vec());
        history.fill(past.to_vec());
        let loads: Vec<_> = history.newest_first(Curve::Load).collect();
        assert_eq!(loads, [1.0, 9.0, 9.0]);
    }

    #[test]
    fn nothing_of_nothing_is_nothing() {
        assert!(share(0, 0).abs() < f64::EPSILON);
        assert!(share(10, 20).abs() < f64::EPSILON);
    }
}

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

#[derive(Clone)]
struct Reading {
    time: Timestamp,
    values: Values,
    /// Each CPU's busy share; empty where it is not known.
    cpus: Box<[f32]>,
}

/// The last readings, oldest first.
#[derive(Clone, Default)]
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

    /// What it was at a time.
    pub(crate) fn until(&self, at: Timestamp) -> Self {
        let readings = self.readings.iter().take_while(|r| r.time <= at);
        Self {
            readings: readings.cloned().collect(),
        }
    }

    /// When the oldest reading was made.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.readings.front().map(|reading| reading.time)
    }

    /// The vital signs of the last reading, as far as its curves tell them; what does not change,
    /// as the memory that there is, is taken from a later reading.
    pub(crate) fn last_vitals(&self, later: Option<&Vitals>) -> Option<Vitals> {
        let reading = self.readings.back()?;
        let value = |curve: Curve| f64::from(reading.values[curve as usize]);
        let later = later.cloned().unwrap_or_default();
        let left = |total: u64, used: f64| (total as f64 * (1.0 - used)) as u64;
        let system = value(Curve::CpuSystem);
        let cpu = hark_api::vitals::CpuUse {
            user: (value(Curve::Cpu) - system).max(0.0),
            system,
            idle: 1.0 - value(Curve::Cpu),
            ..Default::default()
        };
        let stall = |curve| hark_api::vitals::Stall {
            some: value(curve),
            ..Default::default()
        };
        let secs = (later.time.as_nanos() - reading.time.as_nanos()) as f64 / 1e9;
        Some(Vitals {
            time: reading.time,
            uptime: (later.uptime - secs).max(0.0),
            load: [value(Curve::Load), f64::NAN, f64::NAN],
            cpu,
            cpus: vec![cpu; later.cpus.len()],
            tasks: hark_api::vitals::Tasks {
                forks: value(Curve::Forks),
                switches: value(Curve::Switches),
                ..Default::default()
            },
            memory: hark_api::vitals::Memory {
                total: later.memory.total,
                available: left(later.memory.total, value(Curve::Memory)),
                swap_total: later.memory.swap_total,
                swap_free: left(later.memory.swap_total, value(Curve::Swap)),
                ..Default::default()
            },
            pressure: later.pressure.map(|_| hark_api::vitals::Pressure {
                cpu: stall(Curve::PressureCpu),
                memory: stall(Curve::PressureMemory),
                io: stall(Curve::PressureIo),
            }),
            disks: vec![hark_api::vitals::Disk {
                read_bytes: value(Curve::DiskRead),
                write_bytes: value(Curve::DiskWrite),
                ..Default::default()
            }],
            interfaces: vec![hark_api::vitals::Interface {
                rx_bytes: value(Curve::NetIn),
                tx_bytes: value(Curve::NetOut),
                ..Default::default()
            }],
            tcp: hark_api::vitals::Tcp {
                retransmits: value(Curve::Retransmits),
                resets: value(Curve::Resets),
                ..Default::default()
            },
            ..Vitals::default()
        })
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

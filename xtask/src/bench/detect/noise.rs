//! Simulated noise: the alarms that a tier promises against those that come.

use hark_api::{ReturnPeriod, SeriesKey, Timestamp};
use hark_detect::series::{Config, Detector};
use hark_detect::{self as detect, Engine};

use super::floor;

const DAYS: u64 = 60;
/// Seconds between two points.
const STEP: u64 = 60;
const KINDS: [&str; 7] = [
    "normal",
    "Student t3",
    "Poisson 3",
    "AR(1) .9",
    "seasonal",
    "log-normal",
    "sparse spikes",
];

/// A source of one kind of noise.
struct Noise {
    kind: usize,
    seed: u64,
    drawn: u64,
    last: f64,
}

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.drawn += 1;
        floor::random(self.seed.wrapping_add(self.drawn)).max(1e-16)
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn value(&mut self, i: u64) -> f64 {
        match self.kind {
            0 => self.normal(),
            1 => {
                let chi: f64 = (0..3).map(|_| self.normal().powi(2)).sum();
                self.normal() / (chi / 3.0).sqrt()
            }
            2 => {
                let limit = (-3.0_f64).exp();
                let (mut count, mut product) = (0.0, self.uniform());
                while product >= limit {
                    count += 1.0;
                    product *= self.uniform();
                }
                count
            }
            3 => {
                self.last = 0.9 * self.last + self.normal();
                self.last
            }
            4 => {
                let turn = i as f64 * STEP as f64 / 86_400.0;
                3.0 * (turn * std::f64::consts::TAU).sin() + self.normal()
            }
            5 => self.normal().exp(),
            _ => {
                if self.uniform() < 0.005 {
                    5.0 + 5.0 * self.normal().abs()
                } else {
                    0.0
                }
            }
        }
    }
}

pub(super) fn run(seeds: u64) {
    println!(
        "Calibration: promised over observed alarms, {DAYS} days of a point a minute, {seeds} series each"
    );
    for (kind, name) in KINDS.iter().enumerate() {
        let (mut daily, mut weekly) = (0_u64, 0_u64);
        for seed in 0..seeds {
            let mut noise = Noise {
                kind,
                seed: (seed * 31 + kind as u64) << 40,
                drawn: 0,
                last: 0.0,
            };
            let mut detector = Detector::new(Config::single(STEP as f64));
            for i in 0..DAYS * 86_400 / STEP {
                let time = Timestamp::from_secs_f64((i * STEP) as f64);
                let Some(rarity) = detector.push(time, noise.value(i)).rarity else {
                    continue;
                };
                daily += u64::from(rarity >= ReturnPeriod::DAY);
                weekly += u64::from(rarity >= ReturnPeriod::WEEK);
            }
        }
        let promised = (DAYS * seeds) as f64;
        println!(
            "  {name:<14} a day {:>5.2} ({daily} alarms)   a week {:>5.2} ({weekly} alarms)",
            promised / daily as f64,
            promised / 7.0 / weekly as f64,
        );
    }
    whole_host();
    println!();
}

/// Many series on one host must not multiply its alarms.
fn whole_host() {
    const SERIES: usize = 35;
    const HOURS: u64 = 48;
    let mut sources: Vec<Noise> = (0..SERIES)
        .map(|i| Noise {
            kind: i % KINDS.len(),
            seed: (1000 + i as u64) << 40,
            drawn: 0,
            last: 0.0,
        })
        .collect();
    let keys: Vec<SeriesKey> = (0..SERIES)
        .map(|i| SeriesKey::new(&format!("noise_{i}")))
        .collect();
    let mut engine = Engine::new(detect::Config::default());
    let (mut seconds, mut findings) = (0_u64, [0_u64; 2]);
    let mut opened = 0;
    for i in 0..HOURS * 3600 {
        let time = Timestamp::from_secs_f64(i as f64);
        let row: Vec<(SeriesKey, f64)> = keys
            .iter()
            .zip(&mut sources)
            .map(|(k, s)| (k.clone(), s.value(i)))
            .collect();
        let found = engine.samples(time, &row);
        seconds += u64::from(!found.is_empty());
        for finding in &found {
            let rarity = finding.verdict.rarity;
            findings[0] += u64::from(rarity >= Some(ReturnPeriod::DAY));
            findings[1] += u64::from(rarity >= Some(ReturnPeriod::WEEK));
        }
        engine.tick(time);
        let changes = engine.take_changes();
        opened += changes
            .iter()
            .filter(|c| matches!(c, hark_detect::Change::Opened(_)))
            .count();
    }
    println!(
        "  a host of {SERIES} such series, {HOURS} h of a point a second: {} findings once in a day or \
         rarer, in {seconds} seconds; {} once in a week or rarer; {opened} incidents",
        findings[0], findings[1],
    );
}

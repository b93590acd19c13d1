//! Groups findings that are close in time and share somebody into incidents.
//!
//! A pure state machine: findings and the time go in, changes come out.

use hark_api::{
    Evidence, Incident, IncidentId, Kind, Process, ReasonCode, Suspect, Tier, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::engine::metrics::label;
use crate::finding::Finding;
use crate::program;

/// When findings belong together, and how many are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Findings below this tier open no incident, though they may join one.
    pub open_from: Tier,
    /// Seconds after its last finding in which an incident takes one that shares somebody.
    pub join: f64,
    /// Seconds after its last finding in which it takes one of the whole host, or one that shares
    /// no more than the control group.
    pub join_loosely: f64,
    /// Seconds without a finding after which it is over.
    pub quiet: f64,
    /// Most incidents open at once; the one quiet for the longest time is closed for a new one.
    pub max_open: usize,
    /// Most pieces of evidence, suspects, events and series of each.
    pub max_evidence: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            open_from: Tier::Warning,
            join: 120.0,
            join_loosely: 30.0,
            quiet: 300.0,
            max_open: 64,
            max_evidence: 16,
        }
    }
}

/// What became of an incident.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It began.
    Opened(Incident),
    /// It got a further finding.
    Updated(Incident),
    /// It is over.
    Closed(Incident),
}

impl Change {
    /// The incident as it is now.
    pub fn incident(&self) -> &Incident {
        match self {
            Self::Opened(i) | Self::Updated(i) | Self::Closed(i) => i,
        }
    }
}

/// Groups findings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Grouper {
    config: Config,
    open: Vec<Open>,
    opened: u64,
    /// Until when lost events taint conclusions, in nanoseconds.
    tainted_until: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    #[serde(with = "json")]
    incident: Incident,
    /// Who takes part: kind, name, pid, weight.
    parties: Vec<Party>,
    /// The message that leads the title, its weight, and whether it is a fact.
    lead: (String, f64),
    lead_kind: u8,
    /// How many findings of each kind followed.
    kinds: Vec<(u8, u64)>,
    /// When it last got a finding that has more in common with it than the time: others must not
    /// keep it open to ever more of them.
    core: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Party {
    kind: String,
    name: String,
    pid: Option<u32>,
    /// The parent's process id, where it is not the first process of all.
    parent: Option<u32>,
    weight: f64,
}

impl Grouper {
    /// A grouper without incidents.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// The incidents that go on.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.iter().map(|o| &o.incident)
    }

    /// Events were lost: what is concluded within a minute may be wrong.
    pub fn taint(&mut self, now: Timestamp) {
        self.tainted_until = now.as_nanos().saturating_add(60_000_000_000);
        for open in &mut self.open {
            open.incident.tainted = true;
        }
    }

    /// Takes a finding into an incident, or opens one, or lets it pass.
    pub fn push(&mut self, finding: &Finding) -> Vec<Change> {
        let mut changes = Vec::new();
        let parties = parties(finding);
        if let Some((i, shares)) = self.match_open(finding, &parties) {
            let config = self.config.clone();
            let open = &mut self.open[i];
            open.add(finding, &parties, &config);
            if shares {
                open.core = open.core.max(finding.time);
            }
            changes.push(Change::Updated(open.incident.clone()));
            return changes;
        }
        if finding.verdict.tier < self.config.open_from {
            return changes;
        }
        if self.open.len() >= self.config.max_open {
            let quietest = (0..self.open.len()).min_by_key(|&i| self.open[i].incident.last);
            if let Some(i) = quietest {
                changes.push(self.close(i));
            }
        }
        self.opened += 1;
        let mut open = Open {
            incident: Incident {
                id: IncidentId(self.opened),
                title: String::new(),
                tier: Tier::Normal,
                rarity: None,
                start: finding.time,
                peak: finding.time,
                last: finding.time,
                end: None,
                suspects: Vec::new(),
                findings: 0,
                evidence: Vec::new(),
                events: Vec::new(),
                series: Vec::new(),
                tainted: finding.time.as_nanos() < self.tainted_until,
            },
            parties: Vec::new(),
            lead: (String::new(), 0.0),
            lead_kind: finding.kind.number(),
            kinds: Vec::new(),
            core: finding.time,
        };
        open.add(finding, &parties, &self.config);
        changes.push(Change::Opened(open.incident.clone()));
        self.open.push(open);
        changes
    }

    /// Time passes: closes what has been quiet.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut i = 0;
        while i < self.open.len() {
            if since(self.open[i].incident.last, now) > self.config.quiet {
                changes.push(self.close(i));
            } else {
                i += 1;
            }
        }
        changes
    }

    fn close(&mut self, i: usize) -> Change {
        let mut incident = self.open.remove(i).incident;
        incident.end = Some(incident.last);
        Change::Closed(incident)
    }

    /// The open incident that a finding belongs to, and whether the two have more in common than
    /// the time.
    fn match_open(&self, finding: &Finding, parties: &[Party]) -> Option<(usize, bool)> {
        // What the kernel reports of nobody in particular, such as a storm of resets, has the kind
        // in common; a line without a sender has nothing.
        let nameless = parties.is_empty() && finding.kind != Kind::Log;
        // What the whole host shows belongs to what is going on anyway.
        let of_metrics = finding.subject.series.is_some() && finding.subject.device.is_none();
        let matched = |open: &Open| {
            let metrics = open.lead_kind == Kind::Metric.number();
            // Who is behind what nobody was named for is often told in the same moment.
            let unclaimed = metrics || open.parties.is_empty();
            let same_kind = nameless && open.parties.is_empty();
            let shared = |loosely: bool| {
                let mut pairs = parties
                    .iter()
                    .flat_map(|p| open.parties.iter().map(move |q| (p, q)));
                pairs.any(|(p, q)| p.is_loose() == loosely && p.same(q))
            };
            let close = since(open.incident.last, finding.time) <= self.config.join;
            let loose = since(open.core, finding.time) <= self.config.join_loosely;
            if close && (shared(false) || same_kind && open.lead_kind == finding.kind.number()) {
                return Some(true);
            }
            if loose && (shared(true) || of_metrics && metrics) {
                return Some(true);
            }
            // Metrics go on for long: later ones must not draw in what has nothing to do with it.
            let at_once =
                since(open.incident.start, finding.time) <= self.config.join_loosely / 3.0;
            (loose && (of_metrics || nameless) || at_once && unclaimed).then_some(false)
        };
        self.open
            .iter()
            .enumerate()
            .filter_map(|(i, open)| Some((i, matched(open)?, open.incident.last)))
            .max_by_key(|&(_, shares, last)| (shares, last))
            .map(|(i, shares, _)| (i, shares))
    }
}

/// What a further finding adds to a suspicion, as a share of its weight.
const REPEATED: f64 = 0.1;
/// What a process weighs that a metric's rise is put down to, and what a metric, or what names nobody,
/// weighs for the title, beside those that are told of by name.
const INFERRED: f64 = 0.5;

fn since(then: Timestamp, now: Timestamp) -> f64 {
    now.as_nanos().saturating_sub(then.as_nanos()) as f64 / 1e9
}

/// How much a finding of a tier weighs.
fn weight(finding: &Finding) -> f64 {
    let fact = finding
        .verdict
        .reasons
        .iter()
        .any(|r| r.code == ReasonCode::Fact);
    let tier = match finding.verdict.tier {
        Tier::Normal => 0.5,
        Tier::Notice => 1.0,
        Tier::Warning => 2.0,
        Tier::High => 4.0,
        Tier::Critical => 8.0,
    };
    if fact { 2.0 * tier } else { tier }
}

fn parties(finding: &Finding) -> Vec<Party> {
    let mut parties = Vec::new();
    let process = finding.subject.process.as_ref();
    let parent = process.and_then(|p| p.ppid).filter(|&p| p > 1);
    let mut add = |kind: &str, name: &str, pid: Option<u32>, weight: f64| {
        if !name.is_empty() {
            parties.push(Party {
                kind: kind.to_owned(),
                name: name.to_owned(),
                pid,
                parent: parent.filter(|_| pid.is_some()),
                weight,
            });
        }
    };
    if let Some(Process {
        pid,
        comm,
        cgroup,
        unit,
        container,
        ..
    }) = &finding.subject.process
    {
        // Who hands in a service's line, such as `logger`, does it for many.
        let service = finding.subject.service.as_deref();
        if finding.kind != Kind::Log || service.is_none_or(|s| s == comm) {
            // Of a metric the process is a guess.
            let guessed = finding.subject.series.is_some();
            add(
                "process",
                comm,
                Some(*pid),
                if guessed { INFERRED } else { 1.0 },
            );
        }
        // A slice, a login or the root holds half the host: sharing it means nothing.
        if let Some(unit) = unit.as_deref().filter(|u| !program::is_wide(u)) {
            add("unit", unit, None, 0.9);
        }
        if let Some(container) = container {
            add("container", container, None, 0.9);
        }
        if let Some(cgroup) = cgroup {
            add("cgroup", cgroup, None, 0.8);
        }
    }
    if let Some(service) = &finding.subject.service {
        add("service", service, None, 0.95);
    }
    if let Some(device) = &finding.subject.device {
        add("device", device, None, 0.7);
    }
    // A control group's own metric names it. The group that is behind a metric of the host is a guess,
    // but one for which its own metric speaks.
    if let Some(group) = finding.subject.cgroup.as_deref() {
        let series = finding.subject.series.as_ref();
        let own = series.is_some_and(|s| label(s.as_str(), "cgroup").is_some());
        add("cgroup", group, None, if own { 0.8 } else { 0.75 });
    }
    parties
}

impl Party {
    /// Whether sharing it means little: it holds much that has nothing to do with each other.
    fn is_loose(&self) -> bool {
        self.kind == "cgroup"
    }

    /// Whether the finding tells of it by name, neither guessed nor as the place where others are:
    /// a control group gets no more suspect by what each of many processes in it does.
    fn is_told(&self) -> bool {
        !matches!(self.kind.as_str(), "cgroup" | "unit" | "container") && self.weight > INFERRED
    }

    fn same(&self, other: &Self) -> bool {
        // A crash loop's processes differ in pid and share the name; a service often has its
        // program's name.
        let named = |k: &str| matches!(k, "process" | "service");
        // Two shells are two things, unless the same parent started both.
        let related = self.pid == other.pid || self.parent.is_some() && self.parent == other.parent;
        let alike = related || !program::is_interpreter(&self.name);
        self.name == other.name
            && alike
            && (self.kind == other.kind || (named(&self.kind) && named(&other.kind)))
    }
}

impl Open {
    fn add(&mut self, finding: &Finding, parties: &[Party], config: &Config) {
        let incident = &mut self.incident;
        let weight = weight(finding);
        incident.findings += 1;
        incident.last = incident.last.max(finding.time);
        incident.start = incident.start.min(finding.time);
        if finding.verdict.tier > incident.tier {
            incident.peak = finding.time;
            incident.tier = finding.verdict.tier;
        }
        if let Some(rarity) = finding.verdict.rarity
            && incident.rarity.is_none_or(|r| rarity > r)
        {
            incident.rarity = Some(rarity);
        }
        if let Some(event) = finding.event
            && incident.events.len() < config.max_evidence
        {
            incident.events.push(event);
        }
        if let Some(series) = &finding.subject.series
            && incident.series.len() < config.max_evidence
            && !incident.series.contains(series)
        {
            incident.series.push(series.clone());
        }
        match incident
            .evidence
            .iter_mut()
            .find(|e| e.text == finding.message)
        {
            Some(same) => {
                same.count += 1;
                same.tier = same.tier.max(finding.verdict.tier);
            }
            None => incident.evidence.push(Evidence {
                time: finding.time,
                tier: finding.verdict.tier,
                text: finding.message.clone(),
                count: 1,
            }),
        }
        incident
            .evidence
            .sort_by_key(|e| (std::cmp::Reverse(e.tier), e.time));
        incident.evidence.truncate(config.max_evidence);
        for party in parties {
            let add = weight * party.weight;
            let room = self.parties.len() < 4 * config.max_evidence;
            match self
                .parties
                .iter_mut()
                .find(|p| p.kind == party.kind && p.name == party.name)
            {
                // The same said again says little more; of what is guessed, and of what others share,
                // nothing.
                Some(known) => {
                    let more = if party.is_told() { REPEATED * add } else { 0.0 };
                    known.weight = known.weight.max(add) + more;
                }
                None if room => {
                    self.parties.push(Party {
                        weight: add,
                        ..party.clone()
                    });
                }
                None => {}
            }
        }
        self.parties.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let all: f64 = self.parties.iter().map(|p| p.weight).sum();
        incident.suspects = self
            .parties
            .iter()
            .take(5)
            .map(|p| Suspect {
                kind: p.kind.clone(),
                name: p.name.clone(),
                pid: p.pid,
                share: if all > 0.0 { p.weight / all } else { 0.0 },
            })
            .collect();
        let told = if finding.subject.series.is_some() || parties.is_empty() {
            INFERRED * weight
        } else {
            weight
        };
        if told > self.lead.1 {
            if self.lead.1 > 0.0 {
                bump(&mut self.kinds, self.lead_kind);
            }
            self.lead = (finding.message.clone(), told);
            self.lead_kind = finding.kind.number();
        } else {
            bump(&mut self.kinds, finding.kind.number());
        }
        incident.title = title(&self.lead.0, &self.kinds);
    }
}

fn bump(kinds: &mut Vec<(u8, u64)>, kind: u8) {
    match kinds.iter_mut().find(|(k, _)| *k == kind) {
        Some((_, n)) => *n += 1,
        None => kinds.push((kind, 1)),
    }
}

/// The gravest finding, and what came with it.
fn title(lead: &str, kinds: &[(u8, u64)]) -> String {
    use std::fmt::Write as _;
    const LONGEST: usize = 120;
    let mut title: String = lead.chars().take(LONGEST).collect();
    if title.len() < lead.len() {
        title.push('…');
    }
    let mut others: Vec<(u64, &str)> = kinds
        .iter()
        .filter_map(|&(k, n)| Some((n, words(Kind::from_u8(k)?, n == 1))))
        .collect();
    others.sort_by_key(|&(n, _)| std::cmp::Reverse(n));
    for (i, (n, what)) in others.iter().take(2).enumerate() {
        title.push_str(if i == 0 { "; with " } else { " and " });
        let _ = write!(title, "{n} {what}");
    }
    title
}

fn words(kind: Kind, one: bool) -> &'static str {
    match (kind, one) {
        (Kind::Log, true) => "unusual log line",
        (Kind::Log, false) => "unusual log lines",
        (Kind::Metric, true) => "metric off its band",
        (Kind::Metric, false) => "metrics off their bands",
        (Kind::Exec, true) => "unusual program start",
        (Kind::Exec, false) => "unusual program starts",
        (Kind::Exit, true) => "process failure",
        (Kind::Exit, false) => "process failures",
        (Kind::OomKill, true) => "OOM kill",
        (Kind::OomKill, false) => "OOM kills",
        (Kind::TcpConnect, true) => "connection failure",
        (Kind::TcpConnect, false) => "connection failures",
        (_, true) => "further event",
        (_, false) => "further events",
    }
}

/// An incident's types are made for JSON, which a compact checkpoint holds as text.
mod json {
    use hark_api::Incident;
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(incident: &Incident, s: S) -> Result<S::Ok, S::Error> {
        serde_json::to_string(incident)
            .map_err(S::Error::custom)?
            .serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Incident, D::Error> {
        serde_json::from_str(&String::deserialize(d)?).map_err(D::Error::custom)
    }
}

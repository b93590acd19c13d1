//! The one event type that all sources share.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod read;

use crate::{Timestamp, Verdict};

/// Identifies an event. Given in order of arrival, never twice by one agent, and so the cursor of
/// everything that reads events. The first is 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct EventId(pub u64);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that happened on the host, or that a service said.
///
/// Read from JSON, a key that has no place here is kept among the fields: a later agent may tell
/// more.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Event {
    /// Its place in the order of arrival; 0 until the pipeline has numbered it.
    pub id: EventId,
    /// When it happened, as its source tells.
    pub time: Timestamp,
    /// When the agent received it.
    pub received: Timestamp,
    /// Who observed it.
    pub source: Source,
    /// What it is.
    pub kind: Kind,
    /// How grave its sender said it was.
    pub level: Level,
    /// One line for people. Text from outside: sanitise before it reaches a terminal.
    pub message: String,
    /// The template of the message, where it was mined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<u32>,
    /// The service that sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The host that its sender named; the agent's own host where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The process that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Box<Process>>,
    /// Everything else, by name, in the order in which it came.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    #[cfg_attr(feature = "openapi", oai(default))]
    pub fields: Fields,
    /// The trace that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
    /// How unusual it is.
    pub verdict: Verdict,
}

impl Event {
    /// What of it only a later agent knows, in words: its source, its kind or the code of a reason.
    pub fn foreign(&self) -> Option<String> {
        let codes = self.verdict.reasons.iter().map(|reason| reason.code);
        if self.source.is_foreign() {
            Some(UnknownSource(self.source.to_string()).to_string())
        } else if self.kind.is_foreign() {
            Some(UnknownKind(self.kind.to_string()).to_string())
        } else {
            let mut foreign = codes.filter(|code| code.is_foreign());
            let code = foreign.next()?;
            Some(crate::verdict::UnknownReasonCode(code.to_string()).to_string())
        }
    }
}

/// Gives an enum its names: `ALL`, `as_str`, `number`, `Display`, `FromStr` and serde, all from one
/// table.
///
/// A closed one knows all its names for good, as a scale does. An open one grows with the agent: a
/// program that reads a name which is not in its table keeps it as `Foreign`. Text of people is
/// parsed strictly either way.
macro_rules! named {
    (
        $(#[$meta:meta])*
        $name:ident, unknown: $unknown:ident, $what:literal,
        { $($(#[$vmeta:meta])* $variant:ident = $text:literal $(| $alias:literal)*,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        named! { @both $name, $unknown, $what, { $($variant = $text $(| $alias)*,)+ } }

        impl $name {
            /// Its name in JSON, filters and labels.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl $crate::foreign::Read for $name {
            const WHAT: &'static str = concat!("the name of a ", $what);
            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error: $unknown| error.to_string())
            }
        }
    };
    (
        $(#[$meta:meta])*
        $name:ident, open, unknown: $unknown:ident, $what:literal,
        { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
            /// One that a later agent has, by its name. No agent makes or stores one.
            Foreign($crate::Foreign),
        }

        named! { @both $name, $unknown, $what, { $($variant = $text,)+ } }

        impl $name {
            /// Its name in JSON, filters and labels.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Foreign(name) => name.as_str(),
                }
            }

            /// Its place in [`Self::ALL`], as it is stored; 255 where it is foreign.
            pub const fn number(self) -> u8 {
                #[repr(u8)]
                enum Number { $($variant,)+ }
                match self {
                    $(Self::$variant => Number::$variant as u8,)+
                    Self::Foreign(_) => u8::MAX,
                }
            }

            /// Whether a later agent has it, and this program does not know it.
            pub const fn is_foreign(self) -> bool {
                matches!(self, Self::Foreign(_))
            }
        }

        impl $crate::foreign::Read for $name {
            const WHAT: &'static str = concat!("the name of a ", $what);
            fn read(text: &str) -> Result<Self, String> {
                Ok(text.parse().unwrap_or_else(|_| Self::Foreign($crate::Foreign::new(text))))
            }
        }
    };
    (@both $name:ident, $unknown:ident, $what:literal,
        { $($variant:ident = $text:literal $(| $alias:literal)*,)+ }) => {
        #[doc = concat!("The text names no ", $what, ".")]
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[error("`{0}` is not a {what}; known are: {known}", what = $what,
                known = [$($text),+].join(", "))]
        pub struct $unknown(pub String);

        impl $name {
            /// Every one, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The one with this number: its place in [`Self::ALL`].
            pub const fn from_u8(number: u8) -> Option<Self> {
                let all = Self::ALL;
                if (number as usize) < all.len() { Some(all[number as usize]) } else { None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = $unknown;

            /// Parses a name or an alias, in any letter case.
            fn from_str(text: &str) -> Result<Self, $unknown> {
                $(
                    if text.eq_ignore_ascii_case($text) $(|| text.eq_ignore_ascii_case($alias))* {
                        return Ok(Self::$variant);
                    }
                )+
                Err($unknown(text.to_owned()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                $crate::foreign::deserialize(d)
            }
        }
    };
}
pub(crate) use named;

named! {
    /// Who observed an event. Numbers are stored: add at the end, never reorder.
    Source, open, unknown: UnknownSource, "source",
    {
        /// A service, through the ingest API or a log reader.
        Log = "log",
        /// The kernel, through hark's programs.
        Kernel = "kernel",
        /// The host's vital signs.
        Host = "host",
        /// The agent, about itself.
        Agent = "agent",
    }
}

named! {
    /// How grave the sender of an event said it was. Aliases of syslog and of common loggers are
    /// understood.
    Level, unknown: UnknownLevel, "level",
    {
        /// Finest detail.
        Trace = "trace",
        /// For developers.
        Debug = "debug",
        /// Ordinary progress.
        Info = "info" | "information" | "informational",
        /// Ordinary, but worth seeing.
        Notice = "notice",
        /// Something may be wrong.
        Warning = "warning" | "warn",
        /// Something is wrong.
        Error = "error" | "err",
        /// Something important is broken.
        Critical = "critical" | "crit" | "alert",
        /// The sender cannot go on.
        Fatal = "fatal" | "emergency" | "emerg" | "panic",
    }
}

named! {
    /// What an event is. Numbers are stored: add at the end, never reorder.
    Kind, open, unknown: UnknownKind, "kind",
    {
        /// A log line.
        Log = "log",
        /// A program was executed.
        Exec = "exec",
        /// A process was created.
        Fork = "fork",
        /// A process ended.
        Exit = "exit",
        /// A signal was sent.
        Signal = "signal",
        /// The kernel killed a process for want of memory.
        OomKill = "oom_kill",
        /// An outgoing TCP connection was established, or failed to be.
        TcpConnect = "tcp_connect",
        /// An incoming TCP connection was accepted.
        TcpAccept = "tcp_accept",
        /// A TCP connection ended.
        TcpClose = "tcp_close",
        /// A TCP reset was sent or received.
        TcpReset = "tcp_reset",
        /// A TCP segment was sent again.
        TcpRetransmit = "tcp_retransmit",
        /// A metric of the host left its band.
        Metric = "metric",
        /// Events were lost before they could be stored.
        Lost = "lost",
        /// The agent started.
        AgentStart = "agent_start",
        /// The agent stopped.
        AgentStop = "agent_stop",
        /// Something about the agent changed: a reload, a source on or off, a full disk.
        AgentState = "agent_state",
        /// A process changed its user or group, or was refused to.
        Privilege = "privilege",
        /// A process took control of another.
        Ptrace = "ptrace",
        /// A file system was mounted or unmounted, or that was refused.
        Mount = "mount",
        /// A program was loaded into the kernel, or refused.
        BpfLoad = "bpf_load",
        /// A module was loaded into the kernel or taken out, or that was refused.
        Module = "module",
        /// A block device failed to do something.
        BlockError = "block_error",
        /// Events were more than their budget, and are told in sum.
        Withheld = "withheld",
        /// The kernel wrote a line to its log.
        KernelLog = "kernel_log",
        /// A process wanted to use a capability that it does not have.
        Capability = "capability",
        /// A file system found itself inconsistent.
        FsError = "fs_error",
        /// A thread has waited for long and cannot be woken.
        HungTask = "hung_task",
        /// A process did something to a file that is watched.
        File = "file",
        /// Threads waited for long for memory, a CPU or disks.
        Stall = "stall",
        /// System calls failed, in sum.
        SyscallError = "syscall_error",
        /// A listening port turned connections away because its queue was full.
        ListenOverflow = "listen_overflow",
        /// A name was asked for, and an answer came, or none.
        Dns = "dns",
        /// A socket had no room for UDP datagrams that came in.
        UdpDrop = "udp_drop",
        /// A UDP socket was told that what it sent did not arrive.
        UdpError = "udp_error",
    }
}

/// The process that an event is about. What could not be learned is absent, never guessed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Process {
    /// Process id in the initial pid namespace (the kernel's tgid).
    pub pid: u32,
    /// Thread id, where the event is about one thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tid: Option<u32>,
    /// Process id of the parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppid: Option<u32>,
    /// Real user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Command name, at most 15 bytes in the kernel.
    pub comm: String,
    /// Path of the executable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// Path of the control group (v2, or v1 of the memory controller where v2 has none).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// The systemd unit, derived from the control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The container's id, derived from the control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// Free fields of an event, by name, in the order in which they came. Names are unique: of two
/// with one name the later wins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(Vec<(String, Value)>);

impl Fields {
    /// No fields.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// Sets a field, in its old place where it was there.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        let name = name.into();
        let value = value.into();
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some(slot) => slot.1 = value,
            None => self.0.push((name, value)),
        }
    }

    /// The fields in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(iter: I) -> Self {
        let mut fields = Self::new();
        for (name, value) in iter {
            fields.set(name, value);
        }
        fields
    }
}

impl Serialize for Fields {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(n, v)| (n, v)))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of fields")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Fields, A::Error> {
                let mut fields = Fields::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    fields.set(name, value);
                }
                Ok(fields)
            }
        }
        d.deserialize_map(Visitor)
    }
}

/// W3C Trace Context: <https://www.w3.org/TR/trace-context/>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct TraceContext {
    /// 32 lower-case hexadecimal digits, not all zero.
    pub trace_id: String,
    /// 16 lower-case hexadecimal digits, not all zero.
    pub span_id: String,
    /// Trace flags; bit 0 is "sampled".
    #[serde(default)]
    pub flags: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_in_any_case_and_by_alias() {
        assert_eq!("WARN".parse(), Ok(Level::Warning));
        assert_eq!("emerg".parse(), Ok(Level::Fatal));
        let error = "loud".parse::<Level>().expect_err("no such level");
        assert!(
            error
                .to_string()
                .contains("`loud` is not a level; known are: trace, debug")
        );
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert_eq!(Kind::from_u8(kind.number()), Some(*kind));
        }
    }

    #[test]
    fn fields_keep_their_order_and_the_later_of_two_values() {
        let fields: Fields =
            serde_json::from_str(r#"{"b":1,"a":"x","b":[true]}"#).expect("an object");
        assert_eq!(
            serde_json::to_string(&fields).expect("json"),
            r#"{"b":[true],"a":"x"}"#
        );
    }
}

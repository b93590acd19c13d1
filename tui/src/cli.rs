//! The command line.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Parser, Subcommand, ValueEnum};
use hark_api::client::{Client, Endpoint, Order, Token};
use hark_api::{Level, Timestamp};

use crate::moment;

/// Where the agent's socket is unless told otherwise.
pub(crate) const DEFAULT_SOCKET: &str = "/run/hark/agent.sock";

const EXIT_CODES: &str = "Exit codes:
  0  done; for `query` and `incidents`: something was found
  1  `query` or `incidents` found nothing; `send` had lines refused; `status` found that nothing can be stored
  2  the command line is wrong, a filter included
  3  the agent cannot be reached
  4  the agent refused, as for want of a token
  5  anything else, as a file that cannot be written";

/// Hears a Linux host and says when it is off its beat: the console and the shell's client.
///
/// Without a command it opens the console.
#[derive(Debug, Parser)]
#[command(name = "hark", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) agent: AgentArgs,
    #[command(flatten)]
    pub(crate) console: ConsoleArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Which agent to speak with, and by what right.
#[derive(Debug, Args)]
#[command(next_help_heading = "Agent")]
pub(crate) struct AgentArgs {
    /// The agent's Unix socket
    #[arg(long, global = true, env = "HARK_SOCKET", value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// The agent's URL, instead of its socket
    #[arg(long, global = true, env = "HARK_URL", value_name = "URL")]
    url: Option<Endpoint>,
    /// A token for the agent; better set in the environment, where `ps` does not show it
    #[arg(
        long,
        global = true,
        env = "HARK_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    token: Option<Token>,
}

impl AgentArgs {
    /// The token, for several hosts too.
    pub(crate) fn token(&self) -> Option<Token> {
        self.token.clone()
    }

    /// The client that the arguments ask for. A flag wins over the environment, a URL over a
    /// socket.
    pub(crate) fn client(&self, matches: &ArgMatches) -> Client {
        let socket_is_flag = matches.value_source("socket") == Some(ValueSource::CommandLine);
        let url_is_flag = matches.value_source("url") == Some(ValueSource::CommandLine);
        let endpoint = match &self.url {
            Some(url) if url_is_flag || !socket_is_flag => url.clone(),
            _ => Endpoint::Unix(self.socket.clone()),
        };
        Client::new(endpoint, self.token.clone())
    }
}

/// How the console looks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Console")]
pub(crate) struct ConsoleArgs {
    /// An agent of several, by its URL; may be given again and again
    #[arg(long, value_name = "URL", conflicts_with_all = ["record", "replay"])]
    pub(crate) host: Vec<Endpoint>,
    /// The console's configuration file [default: ~/.config/hark/console.toml]
    #[arg(long, env = "HARK_CONSOLE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Colours of the console [default: dark]
    #[arg(long, env = "HARK_THEME", value_name = "THEME")]
    pub(crate) theme: Option<ThemeName>,
    /// How many events the console keeps at hand [default: 100000]
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1_000..=10_000_000)
    )]
    pub(crate) keep: Option<u32>,
    /// Record the session to a new file
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Show a recorded session, without an agent
    #[arg(long, value_name = "FILE", conflicts_with = "record")]
    pub(crate) replay: Option<PathBuf>,
    /// How fast a recorded session is shown: 10 shows ten seconds in one
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1.0,
        requires = "replay",
        value_parser = speed
    )]
    pub(crate) speed: f64,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=10_000.0).contains(&speed) {
        Ok(speed)
    } else {
        Err("must be from 0.1 to 10000".to_owned())
    }
}

/// A set of colours. `NO_COLOR` in the environment wins over all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ThemeName {
    /// For dark backgrounds
    Dark,
    /// For light backgrounds
    Light,
    /// Strong contrasts
    HighContrast,
    /// Tells apart without red and green
    ColorBlind,
    /// The terminal's own 16 colours
    Ansi,
    /// No colours at all
    Mono,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send events: the words of a message, or lines from standard input
    Send(SendArgs),
    /// Follow the live stream of events
    Tail(TailArgs),
    /// Search the stored events
    Query(QueryArgs),
    /// List the incidents: what is unusual together, newest first
    Incidents(IncidentsArgs),
    /// Show the vital signs now, and the processes that use most
    Top(TopArgs),
    /// Show the agent's state
    Status(OutputArgs),
    /// Write the console's configuration file as it is where nothing is set, with all names
    Config,
    /// Write a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual page (roff)
    #[command(hide = true)]
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// Write JSON, one object a line, instead of text for people
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct IncidentsArgs {
    /// Only those that go on
    #[arg(long)]
    pub(crate) open: bool,
    /// How many at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// How many processes
    #[arg(short = 'n', long, value_name = "N", default_value_t = 15)]
    pub(crate) lines: usize,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The message; without one, each line of standard input is an event: a JSON object as
    /// `POST /log` takes it, or else the message
    #[arg(value_name = "MESSAGE")]
    pub(crate) message: Vec<String>,
    /// How grave it is: trace, debug, info, notice, warning, error, critical or fatal
    #[arg(short, long, value_name = "LEVEL")]
    pub(crate) level: Option<Level>,
    /// The service that says it
    #[arg(short, long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// A further field; JSON values keep their type, all else is text
    #[arg(short, long = "field", value_name = "NAME=VALUE", value_parser = parse_field)]
    pub(crate) fields: Vec<(String, serde_json::Value)>,
    /// When it happened, if not now: RFC 3339, or a time ago as in 5m
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(crate) time: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Only events that pass this filter, as in 'tier>=warning and kind=exec'
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
    /// Begin with this many stored events
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub(crate) lines: u32,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// Only events that pass this filter, as in 'tier>=warning and kind=exec'
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
    /// From this time on: RFC 3339, or a time ago as in 90s, 5m, 2h, 7d
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(crate) from: Option<Timestamp>,
    /// Up to this time
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(crate) to: Option<Timestamp>,
    /// Which come first
    #[arg(long, value_name = "ORDER", default_value = "newest")]
    pub(crate) order: OrderName,
    /// How many at most; 0 for all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: u64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OrderName {
    Newest,
    Oldest,
}

impl From<OrderName> for Order {
    fn from(name: OrderName) -> Self {
        match name {
            OrderName::Newest => Self::Newest,
            OrderName::Oldest => Self::Oldest,
        }
    }
}

fn parse_field(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("write it as name=value".to_owned())?;
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn fields_keep_json_types() {
        assert_eq!(parse_field("n=3"), Ok(("n".into(), 3.into())));
        assert_eq!(parse_field("t=a=b"), Ok(("t".into(), "a=b".into())));
        assert!(parse_field("=3").is_err());
        assert!(parse_field("n").is_err());
    }
}

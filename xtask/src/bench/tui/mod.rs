//! What the console costs, in a real terminal (tmux) on a real agent: CPU and memory at rest and
//! while events stream in, how long a key takes to show, and other programs beside it.

mod keys;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::run;
use crate::terminal::Terminal;
use keys::Console;

/// The console: CPU, memory and the time of a key, beside htop, btop and bottom where installed
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The socket of a running agent
    #[arg(long, default_value = "/run/hark/agent.sock")]
    socket: PathBuf,
    /// The console's binary
    #[arg(long, default_value = "target/release/hark")]
    hark: PathBuf,
    /// Events that are sent before the console is measured behind them
    #[arg(long, default_value_t = 100_000)]
    events: u32,
    /// Events a second in the measurement under load
    #[arg(long, default_value_t = 5_000)]
    rate: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

/// Columns and rows of the terminals.
const SIZE: (u16, u16) = (120, 40);
/// Keys that are timed.
const KEYS: usize = 40;
/// Other programs that show how a host does: what they are called, and what they are run as.
const OTHERS: [(&str, &str); 3] = [("htop", "htop"), ("btop", "btop"), ("bottom", "btm")];

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let hark = run::root().join(&args.hark);
    let socket = args.socket.display().to_string();
    let command = format!("{} --socket {socket}", hark.display());
    println!("| what | CPU, % of one | memory, MiB |");
    println!("|---|---|---|");
    let console = Terminal::start("hark", &command, SIZE)?;
    sleep(Duration::from_secs(3));
    report(&console, "hark, just started", args.seconds)?;
    let mut sender = Sender::start(&hark, &socket)?;
    sender.send(args.events, Duration::ZERO)?;
    sleep(Duration::from_secs(5));
    report(
        &console,
        &format!("hark, {} events behind it", args.events),
        args.seconds,
    )?;
    let (rate, seconds) = (args.rate, args.seconds);
    let behind = Duration::from_secs_f64(f64::from(args.events) / f64::from(rate.max(1)));
    let load = std::thread::spawn(move || {
        // Twenty batches a second, for as long as both measurements take.
        let until = Instant::now() + Duration::from_secs(seconds + 25) + behind;
        while Instant::now() < until {
            sender.send(rate / 20, Duration::from_millis(50))?;
        }
        Ok::<_, Error>(())
    });
    report(
        &console,
        &format!("hark, {rate} events/s streaming in"),
        args.seconds,
    )?;
    drop(console);
    let mut console = Console::start(&hark, &socket)?;
    // Until as many events are behind this one, too.
    sleep(behind);
    let keys = console.times(KEYS)?;
    load.join()
        .map_err(|_| Error::Check("the sender panicked".to_owned()))??;
    sleep(Duration::from_secs(2));
    let idle = console.times(KEYS)?;
    drop(console);
    for (name, program) in OTHERS {
        if Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
        {
            let terminal = Terminal::start(name, program, SIZE)?;
            sleep(Duration::from_secs(3));
            report(&terminal, name, args.seconds)?;
        }
    }
    println!();
    println!("| a key, until the screen shows it | median, ms | worst of {KEYS}, ms |");
    println!("|---|---|---|");
    for (what, mut times) in [("at rest", idle), ("while events stream in", keys)] {
        times.sort();
        let ms = |t: Duration| t.as_secs_f64() * 1e3;
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        let worst = times.last().copied().unwrap_or_default();
        println!("| {what} | {:.1} | {:.1} |", ms(median), ms(worst));
    }
    Ok(())
}

/// Sends events through `hark send`.
struct Sender {
    process: Child,
    number: u64,
}

impl Sender {
    fn start(hark: &PathBuf, socket: &str) -> Result<Self, Error> {
        let process = Command::new(hark)
            .args(["--socket", socket, "send", "-s", "bench"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|source| Error::Start {
                program: hark.display().to_string(),
                source,
            })?;
        Ok(Self { process, number: 0 })
    }

    fn send(&mut self, count: u32, then: Duration) -> Result<(), Error> {
        let mut lines = String::new();
        for _ in 0..count {
            self.number += 1;
            let n = self.number;
            let _ = writeln!(
                lines,
                "GET /items/{} 200 in {} ms, request {n}",
                n * 7 % 997,
                n % 40
            );
        }
        if let Some(input) = &mut self.process.stdin {
            let written = input.write_all(lines.as_bytes());
            written.map_err(|error| Error::Check(format!("hark send: {error}")))?;
        }
        sleep(then);
        Ok(())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// CPU over some seconds and memory at their end, as a row of the table.
fn report(terminal: &Terminal, what: &str, seconds: u64) -> Result<(), Error> {
    let pid = terminal.tmux(&["display-message", "-p", "#{pane_pid}"])?;
    let pid = pid.trim();
    let before = cpu_ticks(pid)?;
    sleep(Duration::from_secs(seconds));
    let ticks = cpu_ticks(pid)? - before;
    // Linux counts the time of processes in hundredths of a second (USER_HZ).
    let share = ticks as f64 / seconds as f64;
    let status = read(&format!("/proc/{pid}/status"))?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = rss.and_then(|rss| rss.split_whitespace().next()?.parse::<f64>().ok());
    println!(
        "| {what} | {share:.2} | {:.1} |",
        kib.unwrap_or(0.0) / 1024.0
    );
    Ok(())
}

fn read(path: &str) -> Result<String, Error> {
    fs::read_to_string(path).map_err(Error::file(path.as_ref()))
}

/// The CPU time that a process took, in hundredths of a second.
fn cpu_ticks(pid: &str) -> Result<u64, Error> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    // After the name, which may hold anything: the state, then numbers.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let fields: Vec<&str> = after.split_whitespace().collect();
    let field = |i: usize| {
        fields
            .get(i)
            .and_then(|f| f.parse::<u64>().ok())
            .unwrap_or(0)
    };
    Ok(field(11) + field(12))
}

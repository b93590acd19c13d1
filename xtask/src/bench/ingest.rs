//! `cargo xtask bench ingest`: the agent's ingest beside its peers, in one run.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::load::{self, Load, Outcome};
use crate::error::Error;
use crate::run as command;

/// Options of `bench ingest`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often each measurement is repeated; the median is shown.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Seconds of load in each measurement.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Leave out the Flask + `SQLite` + scikit-learn design.
    #[arg(long)]
    without_flask: bool,
    /// Leave out rsyslog.
    #[arg(long)]
    without_rsyslog: bool,
}

/// A server under test. Dropping it kills it.
struct Server {
    name: &'static str,
    child: Child,
    address: SocketAddr,
    data: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.data);
    }
}

impl Server {
    /// CPU seconds that the server and its children used so far.
    fn cpu(&self) -> f64 {
        process_tree(self.child.id()).into_iter().map(cpu_of).sum()
    }

    /// Largest resident set so far, in bytes, children added up.
    fn peak_rss(&self) -> u64 {
        process_tree(self.child.id())
            .into_iter()
            .map(peak_rss_of)
            .sum()
    }

    /// Bytes on disk below the data directory.
    fn disk(&self) -> u64 {
        disk_below(&self.data)
    }
}

/// One row of the table.
struct Row {
    what: String,
    per_second: f64,
    cpu_micros: f64,
    p50: Duration,
    p99: Duration,
    refused: u64,
    disk: f64,
    rss: u64,
}

/// Runs the bench and prints its table.
///
/// # Errors
/// The agent cannot be built or started, or the load fails.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    measure_all(&command::root(), args).map_err(Error::Check)
}

fn measure_all(root: &Path, args: &Args) -> Result<(), String> {
    let lines = events(root)?;
    println!(
        "{} distinct events, {} bytes on average",
        lines.len(),
        mean_length(&lines)
    );
    let singles: Vec<_> = lines
        .iter()
        .take(20_000)
        .map(|l| load::post("/log", "application/json", l.as_bytes()))
        .collect();
    let batches: Vec<_> = lines
        .chunks(1000)
        .map(|c| load::post("/logs", "application/x-ndjson", c.join("\n").as_bytes()))
        .collect();
    let plans: [(&str, &[Vec<u8>], usize, usize); 4] = [
        ("batches of 1000, 4 connections", &batches, 1000, 4),
        ("one a request, 1 connection", &singles, 1, 1),
        ("one a request, 16 connections", &singles, 1, 16),
        ("one a request, 64 connections", &singles, 1, 64),
    ];
    let agent = build_agent(root)?;
    let duration = Duration::from_secs(args.seconds);
    let mut rows = Vec::new();
    for (plan, requests, events, connections) in plans {
        let load = |address, rate| Load {
            address,
            connections,
            requests,
            duration,
            rate,
        };
        let full = median(args.runs, || {
            let server = start_agent(&agent)?;
            measure(&server, format!("{} · {plan}", server.name), events, |a| {
                load(a, None)
            })
        })?;
        let half = full.per_second / events as f64 / 2.0;
        rows.push(full);
        rows.push(median(args.runs, || {
            let server = start_agent(&agent)?;
            let what = format!("{} · {plan}, at half of that", server.name);
            measure(&server, what, events, |a| load(a, Some(half)))
        })?);
    }
    if args.without_flask {
        println!("Flask: left out");
    } else {
        match start_flask(root) {
            Ok(_) => rows.push(median(args.runs, || {
                let server = start_flask(root)?;
                let what = format!("{} · one a request, 16 connections", server.name);
                measure(&server, what, 1, |address| Load {
                    address,
                    connections: 16,
                    requests: &singles,
                    duration,
                    rate: None,
                })
            })?),
            Err(why) => println!("Flask: left out, {why}"),
        }
    }
    if args.without_rsyslog {
        println!("rsyslog: left out");
    } else {
        match rsyslog(&lines, duration) {
            Ok(row) => rows.push(row),
            Err(why) => println!("rsyslog: left out, {why}"),
        }
    }
    print_table(&rows);
    Ok(())
}

fn measure<'a>(
    server: &Server,
    what: String,
    events: usize,
    load: impl FnOnce(SocketAddr) -> Load<'a>,
) -> Result<Row, String> {
    let before = server.cpu();
    let outcome: Outcome = load::run(&load(server.address)).map_err(|e| format!("{what}: {e}"))?;
    let cpu = server.cpu() - before;
    let stored = outcome.accepted as f64 * events as f64;
    Ok(Row {
        per_second: stored / outcome.elapsed.as_secs_f64(),
        cpu_micros: cpu * 1e6 / stored.max(1.0),
        p50: outcome.percentile(0.5),
        p99: outcome.percentile(0.99),
        refused: outcome.refused,
        disk: server.disk() as f64 / stored.max(1.0),
        rss: server.peak_rss(),
        what,
    })
}

/// The run with the median throughput.
fn median(runs: usize, mut run: impl FnMut() -> Result<Row, String>) -> Result<Row, String> {
    let mut rows = (0..runs.max(1))
        .map(|_| run())
        .collect::<Result<Vec<_>, _>>()?;
    rows.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    Ok(rows.swap_remove(rows.len() / 2))
}

fn print_table(rows: &[Row]) {
    println!();
    println!(
        "| what | events/s | CPU µs/event | p50 ms | p99 ms | refused | disk B/event | peak RSS MB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for row in rows {
        println!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {} | {:.1} | {:.0} |",
            row.what,
            row.per_second,
            row.cpu_micros,
            row.p50.as_secs_f64() * 1e3,
            row.p99.as_secs_f64() * 1e3,
            row.refused,
            row.disk,
            row.rss as f64 / 1e6
        );
    }
}

/// The shared events where they are, or ones made alike.
pub(crate) fn events(root: &Path) -> Result<Vec<String>, String> {
    let shared = root.join("../shared/bench/ingest/events200k.ndjson.gz");
    if !shared.exists() {
        println!("the shared events are not here: using ones made alike");
        return Ok(made_alike(200_000));
    }
    let unpacked = Command::new("gzip")
        .arg("-dc")
        .arg(&shared)
        .output()
        .map_err(|e| format!("gzip: {e}"))?;
    String::from_utf8(unpacked.stdout)
        .map(|text| text.lines().map(str::to_owned).collect())
        .map_err(|e| format!("{}: {e}", shared.display()))
}

/// Service log events of about 200 bytes from a few shapes, with varying parameters.
fn made_alike(count: usize) -> Vec<String> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let services = ["auth", "search", "cart", "checkout", "scheduler"];
    (0..count)
        .map(|_| {
            let (level, message) = match next(5) {
                0 => ("info", format!(
                    "10.{}.{}.{} \\\"GET /api/v1/users/{}\\\" 200 {} {}ms req={:016x} ua=curl/8.{}",
                    next(9), next(250), next(250), next(99_999), next(20_000), next(300),
                    next(u64::MAX), next(9)
                )),
                1 => ("info", format!(
                    "Accepted publickey for deploy from 192.168.{}.{} port {} ssh2: ED25519 SHA256:{:016x}{:016x}",
                    next(250), next(250), next(65_535), next(u64::MAX), next(u64::MAX)
                )),
                2 => ("info", format!(
                    "user {} added item monitor qty {} to cart session={:016x} took {}us",
                    next(9_999), next(9), next(u64::MAX), next(99_999)
                )),
                3 => ("warning", format!(
                    "slow query: SELECT * FROM orders WHERE id = {} took {} ms, {} rows",
                    next(999_999), next(5_000), next(1_000)
                )),
                _ => ("error", format!(
                    "connection to 10.0.{}.{}:5432 failed: timed out after {} ms (attempt {})",
                    next(250), next(250), next(30_000), next(5)
                )),
            };
            format!(
                r#"{{"message":"{message}","level":"{level}","service":"{}","host":"web-{:02}","pid":{},"env":"prod","ver":"1.14.{}"}}"#,
                services[next(5) as usize], next(8), 800 + next(200), next(4)
            )
        })
        .collect()
}

fn mean_length(lines: &[String]) -> usize {
    lines.iter().map(String::len).sum::<usize>() / lines.len().max(1)
}

fn build_agent(root: &Path) -> Result<PathBuf, String> {
    command::run(&mut command::cargo(&[
        "build",
        "--release",
        "--package",
        "hark-agent",
    ]))
    .map_err(|e| e.to_string())?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    Ok(target.join("release/hark-agent"))
}

fn start_agent(binary: &Path) -> Result<Server, String> {
    let data = scratch("agent")?;
    let address = free_address()?;
    let child = Command::new(binary)
        .arg("run")
        .arg("--data-dir")
        .arg(&data)
        .arg("--socket")
        .arg(data.join("agent.sock"))
        .args(["--listen", &address.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("{}: {e}", binary.display()))?;
    ready(Server {
        name: "hark",
        child,
        address,
        data,
    })
}

/// The design that hark replaces, in a Python environment of its own, made once.
fn start_flask(root: &Path) -> Result<Server, String> {
    let source = root.join("xtask/bench/flask");
    let environment = root.join("target/bench-flask");
    if !environment.join("bin/gunicorn").exists() {
        let python = |args: &[&str]| {
            let program = if args[0] == "-m" {
                PathBuf::from("python3")
            } else {
                environment.join("bin/pip")
            };
            Command::new(program)
                .args(args)
                .status()
                .ok()
                .filter(std::process::ExitStatus::success)
                .ok_or("its Python packages cannot be installed")
        };
        python(&["-m", "venv", &environment.to_string_lossy()])?;
        let requirements = source.join("requirements.txt");
        python(&[
            "install",
            "--quiet",
            "--requirement",
            &requirements.to_string_lossy(),
        ])?;
    }
    let data = scratch("flask")?;
    let address = free_address()?;
    let child = Command::new(environment.join("bin/gunicorn"))
        .args(["--workers", "2", "--bind", &address.to_string(), "app:app"])
        .current_dir(&source)
        .env("DATABASE", data.join("logs.db"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("gunicorn: {e}"))?;
    ready(Server {
        name: "Flask + SQLite + scikit-learn",
        child,
        address,
        data,
    })
}

/// rsyslog takes lines over TCP and acknowledges nothing: its rate is that of what is in the file.
fn rsyslog(lines: &[String], duration: Duration) -> Result<Row, String> {
    let data = scratch("rsyslog")?;
    let address = free_address()?;
    let output = data.join("out.log");
    let config = data.join("rsyslog.conf");
    let port = address.port();
    fs::write(
        &config,
        format!(
            "module(load=\"imtcp\")\ninput(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\")\n*.* action(type=\"omfile\" file=\"{}\")\n",
            output.display()
        ),
    )
    .map_err(|e| e.to_string())?;
    let child = Command::new("rsyslogd")
        .arg("-n")
        .arg("-f")
        .arg(&config)
        .arg("-i")
        .arg(data.join("pid"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("rsyslogd: {e}"))?;
    let server = ready(Server {
        name: "rsyslog",
        child,
        address,
        data,
    })?;
    let before = server.cpu();
    let blocks: Vec<String> = lines
        .chunks(1000)
        .map(|c| {
            c.iter().fold(String::new(), |block, l| {
                block + "<14>1 - host app - - - " + l + "\n"
            })
        })
        .collect();
    let start = Instant::now();
    let mut stream = TcpStream::connect(address).map_err(|e| e.to_string())?;
    let mut sent = 0_u64;
    for block in blocks.iter().cycle() {
        if start.elapsed() >= duration {
            break;
        }
        stream
            .write_all(block.as_bytes())
            .map_err(|e| e.to_string())?;
        sent += block.lines().count() as u64;
    }
    drop(stream);
    // It is done when the file has stopped growing; only lines that are there count.
    let mut size = 0;
    let mut end = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let now = fs::metadata(&output).map_or(0, |m| m.len());
        if now == size {
            break;
        }
        size = now;
        end = Instant::now();
    }
    let file = fs::File::open(&output).map_err(|e| e.to_string())?;
    let written = BufReader::new(file).split(b'\n').count() as f64;
    Ok(Row {
        what: format!("rsyslog · TCP to file, no acknowledgement ({sent} sent)"),
        per_second: written / (end - start).as_secs_f64(),
        cpu_micros: (server.cpu() - before) * 1e6 / written.max(1.0),
        p50: Duration::ZERO,
        p99: Duration::ZERO,
        refused: 0,
        disk: size as f64 / written.max(1.0),
        rss: server.peak_rss(),
    })
}

fn ready(mut server: Server) -> Result<Server, String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if TcpStream::connect(server.address).is_ok() {
            return Ok(server);
        }
        if let Ok(Some(status)) = server.child.try_wait() {
            return Err(format!("{} ended at once: {status}", server.name));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("{} does not listen", server.name))
}

fn scratch(name: &str) -> Result<PathBuf, String> {
    let path = std::env::temp_dir().join(format!("hark-bench-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path)
}

fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|l| l.local_addr())
        .map_err(|e| e.to_string())
}

/// The process and all below it.
fn process_tree(pid: u32) -> Vec<u32> {
    let mut tree = vec![pid];
    let mut next = 0;
    while next < tree.len() {
        let path = format!("/proc/{0}/task/{0}/children", tree[next]);
        let children = fs::read_to_string(path).unwrap_or_default();
        tree.extend(
            children
                .split_whitespace()
                .filter_map(|p| p.parse::<u32>().ok()),
        );
        next += 1;
    }
    tree
}

fn cpu_of(pid: u32) -> f64 {
    let mut text = String::new();
    let read =
        fs::File::open(format!("/proc/{pid}/stat")).and_then(|mut f| f.read_to_string(&mut text));
    if read.is_err() {
        return 0.0;
    }
    // Fields 14 and 15, user and system time in ticks of 10 ms; the name before may hold spaces.
    let rest = text.rsplit(") ").next().unwrap_or_default();
    rest.split(' ')
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

fn peak_rss_of(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn disk_below(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = fs::read_dir(path) else {
        return 0;
    };
    entries
        .flatten()
        .map(|e| match e.metadata() {
            Ok(m) if m.is_dir() => disk_below(&e.path()),
            Ok(m) => m.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

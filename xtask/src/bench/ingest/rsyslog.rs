//! rsyslog from the distribution, from TCP to a file.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Row;
use super::server::{Server, free_address, ready, scratch};

/// rsyslog takes lines over TCP and acknowledges nothing: its rate is that of what is in the file.
pub(super) fn measure(lines: &[String], duration: Duration) -> Result<Row, String> {
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
    let server = Server {
        name: "rsyslog",
        child,
        address,
        data,
        scratch: true,
    };
    let server = ready(server, None)?;
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

//! A load generator for HTTP/1.1: one thread, many keep-alive connections, one request in flight
//! on each. One thread, because the server under test shares the machine's cores with it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::epoll;

/// What to send, and how.
pub(crate) struct Load<'a> {
    /// The server.
    pub(crate) address: SocketAddr,
    /// Connections, each with one request in flight.
    pub(crate) connections: usize,
    /// Whole requests, head and body, sent in turn.
    pub(crate) requests: &'a [Vec<u8>],
    /// How long to send.
    pub(crate) duration: Duration,
    /// Requests a second over all connections; none sends as fast as answers come.
    pub(crate) rate: Option<f64>,
}

/// What came of it.
pub(crate) struct Outcome {
    /// Answers with a status of 2xx.
    pub(crate) accepted: u64,
    /// Other answers.
    pub(crate) refused: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// How long each accepted request took, ascending. At a given rate it is counted from when
    /// the request was due, so that a stalled server cannot hide the wait.
    pub(crate) latencies: Vec<Duration>,
}

impl Outcome {
    /// The latency that a share of requests did not exceed.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let index = (share * last as f64).round() as usize;
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

/// Builds a POST request.
pub(crate) fn post(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// Status and body of a GET over TCP, on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    get_on(stream, path)
}

/// Status and body of a GET on a connection that is used for it alone.
pub(crate) fn get_on(mut stream: impl Read + Write, path: &str) -> io::Result<(u16, String)> {
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "not an answer");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(invalid)?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
    Ok((status.ok_or_else(invalid)?, body.to_owned()))
}

struct Connection {
    stream: TcpStream,
    index: usize,
    request: usize,
    written: usize,
    due: Instant,
    answer: Vec<u8>,
    idle: bool,
    /// The server keeps no connection: the next request needs another.
    closed: bool,
}

/// Sends the load and waits for the last answer.
///
/// # Errors
/// The server cannot be reached, closes a connection, or answers what is not HTTP.
pub(crate) fn run(load: &Load<'_>) -> io::Result<Outcome> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = Vec::with_capacity(load.connections);
    let start = Instant::now();
    for index in 0..load.connections {
        connections.push(Connection {
            stream: connect(&poll, load.address, index)?,
            index,
            request: 0,
            written: 0,
            due: start,
            answer: Vec::with_capacity(4096),
            idle: true,
            closed: false,
        });
    }
    let mut outcome = Outcome {
        accepted: 0,
        refused: 0,
        elapsed: Duration::ZERO,
        latencies: Vec::new(),
    };
    let mut sent = 0_u64;
    let mut in_flight = 0_usize;
    let mut events = Vec::with_capacity(connections.len());
    loop {
        let over = start.elapsed() >= load.duration;
        if !over {
            for connection in connections.iter_mut().filter(|c| c.idle) {
                let now = Instant::now();
                let due = load
                    .rate
                    .map_or(now, |r| start + Duration::from_secs_f64(sent as f64 / r));
                if due > now {
                    break;
                }
                if connection.closed {
                    connection.stream = connect(&poll, load.address, connection.index)?;
                    connection.closed = false;
                }
                connection.request = (sent % load.requests.len() as u64) as usize;
                connection.written = 0;
                connection.due = due;
                connection.idle = false;
                connection.answer.clear();
                sent += 1;
                in_flight += 1;
                write(connection, load.requests)?;
            }
        } else if in_flight == 0 {
            break;
        }
        events.clear();
        let wait = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000,
        };
        match epoll::wait(
            &poll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&wait),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let connection = &mut connections[event.data.u64() as usize];
            if connection.idle {
                continue;
            }
            write(connection, load.requests)?;
            if let Some(status) = read(connection)? {
                connection.idle = true;
                in_flight -= 1;
                if (200..300).contains(&status) {
                    outcome.accepted += 1;
                    outcome.latencies.push(connection.due.elapsed());
                } else {
                    outcome.refused += 1;
                }
            }
        }
    }
    outcome.elapsed = start.elapsed();
    outcome.latencies.sort_unstable();
    Ok(outcome)
}

fn connect(poll: impl AsFd, address: SocketAddr, index: usize) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    epoll::add(
        poll,
        &stream,
        epoll::EventData::new_u64(index as u64),
        epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET,
    )?;
    Ok(stream)
}

/// Writes what the socket takes of the request.
fn write(connection: &mut Connection, requests: &[Vec<u8>]) -> io::Result<()> {
    let request = &requests[connection.request];
    while connection.written < request.len() {
        match connection.stream.write(&request[connection.written..]) {
            Ok(count) => connection.written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads what has come, and gives the status once the answer is whole.
fn read(connection: &mut Connection) -> io::Result<Option<u16>> {
    let mut buffer = [0_u8; 16 * 1024];
    loop {
        match connection.stream.read(&mut buffer) {
            Ok(0) => {
                connection.closed = true;
                break;
            }
            Ok(count) => connection.answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    let unfinished = |closed| {
        if closed {
            Err(io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(None)
        }
    };
    let Some(head) = connection.answer.windows(4).position(|w| w == b"\r\n\r\n") else {
        return unfinished(connection.closed);
    };
    let text = String::from_utf8_lossy(&connection.answer[..head]).to_ascii_lowercase();
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, format!("not an answer: {text}"));
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|s| s.parse().ok())
        .ok_or_else(invalid)?;
    let body = &connection.answer[head + 4..];
    let length = text
        .lines()
        .find_map(|l| l.strip_prefix("content-length:")?.trim().parse().ok());
    let whole = match length {
        Some(length) => body.len() >= length,
        None if text.contains("transfer-encoding: chunked") => body.ends_with(b"0\r\n\r\n"),
        None => status == 204,
    };
    if !whole {
        return unfinished(connection.closed);
    }
    connection.closed |= text.contains("connection: close");
    Ok(Some(status))
}

//! Starts agents and speaks HTTP with them.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Until then whatever is waited for has come, on any machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
pub(crate) fn wait_for<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    wait_longer(what, PATIENCE, ask)
}

/// Asks again and again for a time until there is an answer.
pub(crate) fn wait_longer<T>(
    what: &str,
    patience: Duration,
    mut ask: impl FnMut() -> Option<T>,
) -> T {
    let until = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The program under test.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hark-agent"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HARK_") {
            command.env_remove(name);
        }
    }
    command
}

/// Where an agent keeps its things; outlives the agent.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a directory"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn config(&self, text: &str) {
        std::fs::write(self.path("agent.toml"), text).expect("written");
    }

    /// The program with this place's files, and without kernel events, which would drown the
    /// tests' own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let config = self.path("agent.toml");
        if !config.exists() {
            self.config("");
        }
        let mut command = program();
        command
            .arg("--config")
            .arg(config)
            .arg("--data-dir")
            .arg(self.path("data"))
            .arg("--socket")
            .arg(self.path("agent.sock"))
            .args(["--listen", "127.0.0.1:0"])
            .env("HARK_KERNEL_ENABLED", "false")
            .args(arguments);
        command
    }

    pub(crate) fn start(&self) -> Agent {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, arguments: &[&str]) -> Agent {
        Agent::start(self.command(arguments), self.path("agent.sock"))
    }

    /// Makes a token.
    pub(crate) fn token(&self, name: &str, scopes: &str) -> String {
        let output = self
            .command(&["token", "add", "--name", name, "--scope", scopes])
            .output()
            .expect("runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout)
            .expect("text")
            .trim()
            .to_owned()
    }
}

/// A running agent; killed when dropped.
pub(crate) struct Agent {
    child: Child,
    pub(crate) socket: PathBuf,
    pub(crate) port: u16,
    log: Arc<Mutex<Vec<String>>>,
}

impl Agent {
    /// Whether the kernel tells it of processes.
    pub(crate) fn hears_the_kernel(&self) -> bool {
        let status = self.get("/status").json();
        let features = status["features"].as_array().cloned().unwrap_or_default();
        features
            .iter()
            .any(|f| f["name"] == "process" && f["state"]["is"] == "on")
    }

    fn start(mut command: Command, socket: PathBuf) -> Self {
        let mut child = command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let written = log.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                written.lock().expect("whole").push(line);
            }
        });
        let mut agent = Self {
            child,
            socket,
            port: 0,
            log,
        };
        agent.port = wait_for("the agent to listen", || {
            if let Some(status) = agent.child.try_wait().expect("known") {
                panic!("the agent ended with {status}: {:?}", agent.log());
            }
            agent.log().iter().find_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                let address = line["address"]
                    .as_str()?
                    .strip_prefix("http://127.0.0.1:")?;
                address.parse().ok()
            })
        });
        wait_for("the agent to be ready", || {
            agent
                .socket
                .exists()
                .then(|| agent.get("/readyz"))
                .filter(|ready| ready.status == 200)
        });
        agent
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().expect("whole").clone()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("sent");
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        wait_for("the agent to end", || self.child.try_wait().expect("known"))
    }

    /// Ends it as a power cut would end it.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Over the Unix socket, as the test's own user.
    pub(crate) fn unix(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream
    }

    pub(crate) fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        Request::new("GET", path).send(self.unix())
    }

    pub(crate) fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        Request::new("POST", path).json(body).send(self.unix())
    }

    /// All events that pass a filter, oldest first.
    pub(crate) fn events(&self, filter: &str) -> Vec<Value> {
        let filter: String = filter.bytes().map(|b| format!("%{b:02X}")).collect();
        let mut all = Vec::new();
        let mut path = format!("/events?order=oldest&limit=1000&q={filter}");
        loop {
            let page = self.get(&path).json();
            all.extend(page["events"].as_array().expect("events").iter().cloned());
            match page["next"].as_str() {
                Some(next) => {
                    path = format!("/events?order=oldest&limit=1000&q={filter}&cursor={next}");
                }
                None => return all,
            }
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request, byte for byte.
#[derive(Clone)]
pub(crate) struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            head: format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n"),
            body: Vec::new(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        let length = self.body.len();
        self.header("Content-Length", &length.to_string())
    }

    pub(crate) fn json(self, body: impl AsRef<[u8]>) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    pub(crate) fn lines(self, body: impl AsRef<[u8]>) -> Self {
        self.header("Content-Type", "application/x-ndjson")
            .body(body)
    }

    pub(crate) fn write(&self, stream: &mut (impl Read + Write)) {
        let host = if self.head.contains("\r\nHost:") {
            ""
        } else {
            "Host: localhost\r\n"
        };
        let mut bytes = format!("{}{host}\r\n", self.head).into_bytes();
        bytes.extend_from_slice(&self.body);
        // An agent that refuses a large body may answer before it has all of it.
        let _ = stream.write_all(&bytes);
    }

    /// `None` where no whole answer comes, as when the agent is killed.
    pub(crate) fn try_send(self, mut stream: impl Read + Write) -> Option<Answer> {
        self.write(&mut stream);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let answer = Answer::parse(&bytes);
        let length: Option<usize> = answer.header("content-length")?.parse().ok();
        (length == Some(answer.body.len())).then_some(answer)
    }

    pub(crate) fn send(self, mut stream: impl Read + Write) -> Answer {
        self.write(&mut stream);
        let mut bytes = Vec::new();
        let mut part = [0; 16 << 10];
        loop {
            match stream.read(&mut part) {
                Ok(0) => break,
                Ok(n) => bytes.extend_from_slice(&part[..n]),
                // As when this process was held up in the midst of a read with a deadline.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if bytes.is_empty() => panic!("no answer: {error}"),
                Err(_) => break,
            }
        }
        Answer::parse(&bytes)
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a head");
        let head = String::from_utf8(bytes[..end].to_vec()).expect("text");
        let mut lines = head.lines();
        let status = lines.next().expect("a status line")[9..12]
            .parse()
            .expect("a status");
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Self {
            status,
            headers,
            body: bytes[end + 4..].to_vec(),
        };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunk(&answer.body);
        }
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// Asserts that it is a whole problem document of this kind, and gives it.
    pub(crate) fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        let content_type = self.header("content-type");
        assert_eq!(content_type, Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{kind}"), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(
            problem["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty())
        );
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
        assert!(problem["request_id"].is_string());
        problem
    }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).expect("text");
        let size = usize::from_str_radix(size, 16).expect("a size");
        let Some(chunk) = bytes.get(end + 2..end + 2 + size).filter(|_| size > 0) else {
            break;
        };
        whole.extend_from_slice(chunk);
        bytes = bytes.get(end + 4 + size..).unwrap_or_default();
    }
    whole
}

/// Reads server-sent events as they come.
pub(crate) struct Frames<S> {
    reader: BufReader<S>,
}

/// One of them: event, id and data.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    pub(crate) event: String,
    pub(crate) id: Option<u64>,
    pub(crate) data: Value,
}

impl<S: Read + Write> Frames<S> {
    pub(crate) fn open(request: &Request, mut stream: S) -> Self {
        request.write(&mut stream);
        let mut reader = BufReader::new(stream);
        let mut status = String::new();
        reader.read_line(&mut status).expect("a status line");
        assert!(status.contains(" 200 "), "{status}");
        let mut frames = Self { reader };
        // Until the comment that each stream begins with, it may not listen yet.
        while !frames.line().expect("a stream").starts_with(": hark") {}
        frames
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line),
            Err(error) => panic!("the stream fell silent: {error}"),
        }
    }

    /// The next one; `None` at the end of the stream.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let mut frame = Frame::default();
        loop {
            let line = self.line()?;
            // Sizes of chunks and the ends between them carry none of these names.
            if let Some(event) = line.strip_prefix("event: ") {
                event.trim().clone_into(&mut frame.event);
            } else if let Some(id) = line.strip_prefix("id: ") {
                frame.id = id.trim().parse().ok();
            } else if let Some(data) = line.strip_prefix("data: ") {
                frame.data = serde_json::from_str(data).expect("JSON");
                return Some(frame);
            }
        }
    }
}

/// Waits until the file is there.
pub(crate) fn wait_gone(path: &Path) {
    wait_for("a file to go", || (!path.exists()).then_some(()));
}

//! Accepts connections, over TCP and over the Unix socket, and hands requests to the endpoint.
//!
//! poem's own server neither bounds connections nor times out slow heads nor knows the peer of a
//! Unix socket, and spins when file descriptors run out; hence this loop.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::counters::Counters;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A process of this host, as `SO_PEERCRED` tells.
    Unix {
        /// Its user.
        uid: u32,
        /// Its primary group.
        gid: u32,
        /// Its process id, where it is in sight.
        pid: Option<u32>,
    },
    /// An address.
    Tcp(SocketAddr),
}

/// One thing to listen on.
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The sockets, bound but not yet served.
pub struct Listeners {
    tcp: Vec<std::net::TcpListener>,
    unix: Option<(std::os::unix::net::UnixListener, PathBuf)>,
}

/// A socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address.
    #[error("cannot listen on {address}: {source}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The Unix socket.
    #[error("cannot listen on {path}: {source}", path = path.display())]
    Unix {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Listeners {
    /// Binds all of them, with whatever privilege that takes. A Unix socket that nobody serves any
    /// more is replaced.
    ///
    /// # Errors
    /// Which cannot be, and why.
    pub fn bind(addresses: &[SocketAddr], socket: &Path) -> Result<Self, BindError> {
        let mut tcp = Vec::new();
        for address in addresses {
            let bound = std::net::TcpListener::bind(address)
                .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
            tcp.push(bound.map_err(|source| BindError::Tcp {
                address: *address,
                source,
            })?);
        }
        let unix = if socket.as_os_str().is_empty() {
            None
        } else {
            let listener = bind_unix(socket).map_err(|source| BindError::Unix {
                path: socket.to_owned(),
                source,
            })?;
            Some((listener, socket.to_owned()))
        };
        Ok(Self { tcp, unix })
    }

    /// Where is listened, for people: the real ports, where 0 was asked for.
    pub fn addresses(&self) -> Vec<String> {
        let tcp = self
            .tcp
            .iter()
            .filter_map(|listener| listener.local_addr().ok());
        let unix = self.unix.iter().map(|(_, path)| path.display().to_string());
        tcp.map(|address| format!("http://{address}"))
            .chain(unix)
            .collect()
    }
}

/// Anyone may connect; what they may do is decided by who they are.
fn bind_unix(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(io::Error::new(
                    io::ErrorKind::AddrInUse,
                    "another agent answers there",
                ));
            }
            std::fs::remove_file(path)?;
        }
        Ok(_) => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "something that is no socket is there",
            ));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Bounds of the server.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at a time.
    pub max_connections: usize,
    /// How long a request's head may take.
    pub head_timeout: Duration,
    /// How long shutdown waits for requests under way.
    pub shutdown_timeout: Duration,
}

/// Serves until `shutdown`, and then until requests under way are answered.
///
/// # Errors
/// When the run time cannot watch a socket.
pub async fn serve<E>(
    listeners: Listeners,
    endpoint: Arc<E>,
    bounds: Bounds,
    counters: Arc<Counters>,
    shutdown: CancellationToken,
) -> io::Result<()>
where
    E: Endpoint<Output = Response> + 'static,
{
    let mut all = Vec::new();
    for listener in listeners.tcp {
        all.push(Listener::Tcp(TcpListener::from_std(listener)?));
    }
    let mut socket = None;
    if let Some((listener, path)) = listeners.unix {
        all.push(Listener::Unix(UnixListener::from_std(listener)?));
        socket = Some(path);
    }
    let room = Arc::new(Semaphore::new(bounds.max_connections));
    let mut loops = Vec::new();
    for listener in all {
        let server = Server {
            endpoint: endpoint.clone(),
            bounds,
            room: room.clone(),
            counters: counters.clone(),
            shutdown: shutdown.clone(),
        };
        loops.push(tokio::spawn(server.accept(listener)));
    }
    for task in loops {
        let _ = task.await;
    }
    // All permits are back when all connections are closed.
    let all = u32::try_from(bounds.max_connections).unwrap_or(u32::MAX);
    let closed = tokio::time::timeout(bounds.shutdown_timeout, room.acquire_many(all)).await;
    if closed.is_err() {
        tracing::warn!("some requests were still under way when time for shutdown was up");
    }
    if let Some(path) = socket {
        // Where that is not permitted any more, the next start replaces it.
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

struct Server<E> {
    endpoint: Arc<E>,
    bounds: Bounds,
    room: Arc<Semaphore>,
    counters: Arc<Counters>,
    shutdown: CancellationToken,
}

impl<E: Endpoint<Output = Response> + 'static> Server<E> {
    async fn accept(self, listener: Listener) {
        let server = Arc::new(self);
        loop {
            let permit = tokio::select! {
                permit = server.room.clone().acquire_owned() => match permit {
                    Ok(permit) => permit,
                    Err(_) => return,
                },
                () = server.shutdown.cancelled() => return,
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = server.shutdown.cancelled() => return,
            };
            let connection = match accepted {
                Ok(connection) => connection,
                Err(error) => {
                    // Out of descriptors or memory: wait for some to come back.
                    if !is_of_one_connection(&error) {
                        tracing::warn!(%error, "cannot accept connections");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    continue;
                }
            };
            server.counters.connections.add(1);
            let server = server.clone();
            tokio::spawn(async move {
                match connection {
                    Connection::Tcp(stream, address) => {
                        server.converse(stream, Peer::Tcp(address)).await;
                    }
                    Connection::Unix(stream, peer) => server.converse(stream, peer).await,
                }
                drop(permit);
            });
        }
    }

    async fn converse<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let address = match peer {
            Peer::Tcp(address) => Addr::SocketAddr(address),
            Peer::Unix { .. } => Addr::Custom("unix", "peer".into()),
        };
        let service = service_fn(|mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let request = Request::from((
                request,
                LocalAddr(Addr::default()),
                RemoteAddr(address.clone()),
                Scheme::HTTP,
            ));
            async {
                Ok::<hyper::Response<_>, Infallible>(
                    self.endpoint.get_response(request).await.into(),
                )
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.head_timeout)
            .max_headers(64)
            .pipeline_flush(true)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let until = Instant::now() + self.bounds.shutdown_timeout;
                match tokio::time::timeout_at(until, connection).await {
                    Ok(ended) => ended,
                    Err(_) => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(?peer, %error, "a connection ended badly");
        }
    }
}

enum Connection {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream, Peer),
}

impl Listener {
    async fn accept(&self) -> io::Result<Connection> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Connection::Tcp(stream, address))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let cred = stream.peer_cred()?;
                let peer = Peer::Unix {
                    uid: cred.uid(),
                    gid: cred.gid(),
                    pid: cred
                        .pid()
                        .and_then(|pid| u32::try_from(pid).ok())
                        .filter(|pid| *pid > 0),
                };
                Ok(Connection::Unix(stream, peer))
            }
        }
    }
}

/// Whether an error of accept(2) is about the connection, not about the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotConnected
    )
}

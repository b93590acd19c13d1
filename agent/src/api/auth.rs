//! Who is calling, and what they may do.
//!
//! - Over the Unix socket the kernel says who calls: root, the agent's own user and members of
//!   the configured group may do everything, all others may send events.
//! - Over TCP from loopback, sending needs no token; the rest does.
//! - Over TCP from elsewhere, everything needs a token.

use std::marker::PhantomData;

use http::header;
use poem::{FromRequest, Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::App;
use super::problem::{ApiError, ProblemKind};
use super::rate::Sender;
use super::server::Peer;
use super::tokens::Scope;

/// Who calls, once that is established.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    scopes: Vec<Scope>,
    /// Whether a token or the kernel vouches for the caller.
    known: bool,
    pub(super) sender: Sender,
    pub(super) peer: Peer,
}

/// Establishes who calls.
pub(super) fn identify(app: &App, request: &Request) -> Result<Caller, ApiError> {
    let Some(peer) = request.extensions().get::<Peer>().copied() else {
        return Err(ApiError::new(ProblemKind::Internal, "the peer is unknown"));
    };
    let mut caller = match peer {
        Peer::Unix { uid, gid, .. } => {
            let trusted = uid == 0
                || uid == rustix::process::geteuid().as_raw()
                || is_member(uid, gid, &app.config().api.group);
            Caller {
                scopes: if trusted {
                    vec![Scope::Ingest, Scope::Read, Scope::Admin]
                } else {
                    vec![Scope::Ingest]
                },
                known: true,
                sender: Sender::Uid(uid),
                peer,
            }
        }
        Peer::Tcp(address) => {
            let loopback = address.ip().to_canonical().is_loopback();
            Caller {
                scopes: if loopback {
                    vec![Scope::Ingest]
                } else {
                    Vec::new()
                },
                known: loopback,
                sender: Sender::Address(address.ip()),
                peer,
            }
        }
    };
    if let Some(value) = request.headers().get(header::AUTHORIZATION) {
        let token = value
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        let Some(token) = token else {
            return Err(unauthenticated(
                "the Authorization header must be `Bearer` and a token",
            ));
        };
        let Some((name, scopes)) = app.tokens.find(token) else {
            return Err(unauthenticated(
                "the token is not known; it may have been revoked",
            ));
        };
        for scope in scopes {
            if !caller.scopes.contains(&scope) {
                caller.scopes.push(scope);
            }
        }
        caller.known = true;
        caller.sender = Sender::Token(name);
    }
    Ok(caller)
}

fn unauthenticated(detail: &str) -> ApiError {
    ApiError::new(ProblemKind::Unauthenticated, detail)
        .header(header::WWW_AUTHENTICATE, "Bearer realm=\"hark\"")
}

impl Caller {
    /// Whether the caller may do this.
    pub(super) fn check(&self, scope: Scope) -> Result<(), ApiError> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        let name = scope.as_str();
        Err(match (&self.sender, self.peer) {
            (Sender::Token(token), _) => ApiError::new(
                ProblemKind::Forbidden,
                format!("the token `{token}` lacks the scope `{name}`"),
            ),
            (_, Peer::Unix { .. }) => ApiError::new(
                ProblemKind::Forbidden,
                format!(
                    "over the Unix socket, `{name}` is for root, the agent's user and the members \
                     of api.group; others need a token with that scope"
                ),
            ),
            _ => unauthenticated(&format!(
                "over TCP this needs a token with the scope `{name}`, made by \
                 `hark-agent token add --name NAME --scope {name}`; or use the Unix socket"
            )),
        })
    }

    /// Whether the caller is on this host or bears a token: enough for what tells nothing about
    /// the host.
    pub(super) fn check_known(&self) -> Result<(), ApiError> {
        if self.known {
            Ok(())
        } else {
            Err(unauthenticated("from beyond loopback this needs a token"))
        }
    }
}

/// Whether a user belongs to a group, by its primary group or the group file.
fn is_member(uid: u32, gid: u32, group: &str) -> bool {
    if group.is_empty() {
        return false;
    }
    let Ok(groups) = std::fs::read_to_string("/etc/group") else {
        return false;
    };
    let Some(line) = groups
        .lines()
        .find(|line| line.split(':').next() == Some(group))
    else {
        return false;
    };
    let mut parts = line.split(':').skip(2);
    if parts.next().and_then(|id| id.parse().ok()) == Some(gid) {
        return true;
    }
    let members = parts.next().unwrap_or_default();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    users
        .lines()
        .filter_map(|line| {
            let mut parts = line.split(':');
            let name = parts.next()?;
            (parts.nth(1)?.parse() == Ok(uid)).then_some(name)
        })
        .any(|name| members.split(',').any(|member| member == name))
}

/// What an operation asks of its caller.
pub(super) trait Asks {
    const SCOPE: Scope;
}

/// May send events.
pub(super) struct Ingest;
/// May read.
pub(super) struct Read;
/// May change what is kept.
pub(super) struct Admin;

impl Asks for Ingest {
    const SCOPE: Scope = Scope::Ingest;
}
impl Asks for Read {
    const SCOPE: Scope = Scope::Read;
}
impl Asks for Admin {
    const SCOPE: Scope = Scope::Admin;
}

/// An argument of an operation whose caller must have a scope.
pub(super) struct May<A> {
    pub(super) peer: Peer,
    pub(super) sender: Sender,
    asks: PhantomData<A>,
}

impl<A> May<A> {
    /// The caller, for people.
    pub(super) fn who(&self) -> String {
        match &self.sender {
            Sender::Uid(uid) => format!("uid {uid}"),
            Sender::Token(name) => name.clone(),
            Sender::Address(address) => address.to_string(),
            Sender::Rest => "somebody".to_owned(),
        }
    }
}

impl<'a, A: Asks> ApiExtractor<'a> for May<A> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            "token",
            MetaSecurityScheme {
                ty: "http",
                description: Some(
                    "A token from `hark-agent token add`. Not needed over the Unix socket by root, \
                     the agent's user and the members of api.group; nor to send events from this \
                     host.",
                ),
                name: None,
                key_in: None,
                scheme: Some("bearer"),
                bearer_format: None,
                flows: None,
                openid_connect_url: None,
            },
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["token"]
    }

    fn has_security_fallback() -> bool {
        // Sending from this host needs none.
        A::SCOPE == Scope::Ingest
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let caller = Caller::from_request_without_body(request).await?;
        caller.check(A::SCOPE)?;
        Ok(Self {
            peer: caller.peer,
            sender: caller.sender,
            asks: PhantomData,
        })
    }
}

impl<'a> FromRequest<'a> for Caller {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        request
            .extensions()
            .get::<Self>()
            .cloned()
            .ok_or_else(|| ApiError::new(ProblemKind::Internal, "the caller is unknown").into())
    }
}

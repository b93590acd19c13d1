//! How commands reach what an agent keeps: the agent itself where it runs, else its files.

use std::time::Duration;

use hark_api::client::{Client, ClientError, Endpoint};
use hark_store::Store;
use tokio::runtime::Runtime;

use super::owner::as_owner;
use crate::config::Config;

/// How long the agent may take to copy its store.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A client for the agent of this configuration, with the token in `HARK_TOKEN` where there is one.
pub(super) fn client(config: &Config) -> Result<Client, String> {
    let endpoint = match config.api.listen.first() {
        _ if !config.api.socket.as_os_str().is_empty() => Endpoint::Unix(config.api.socket.clone()),
        Some(address) => Endpoint::Tcp {
            host: address.ip().to_string(),
            port: address.port(),
        },
        None => return Err("api.socket and api.listen are both empty".to_owned()),
    };
    let token = match std::env::var("HARK_TOKEN") {
        Ok(token) if !token.is_empty() => Some(
            token
                .parse()
                .map_err(|error| format!("HARK_TOKEN: {error}"))?,
        ),
        _ => None,
    };
    Ok(Client::new(endpoint, token).with_timeout(PATIENCE))
}

/// What waits for the client.
pub(super) fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the system refuses a run time: {error}"))
}

/// Whether no agent is there to ask.
pub(super) fn is_absent(error: &ClientError) -> bool {
    matches!(error, ClientError::Connect { .. })
}

/// Does something with the files of an agent that does not run, as their owner.
pub(super) fn with_store<T>(
    config: &Config,
    work: impl FnOnce(&Store) -> Result<T, hark_store::Error>,
) -> Result<T, String> {
    let dir = &config.data_dir;
    let done = as_owner(dir, || {
        let store = Store::open(dir, config.store.options())?;
        let done = work(&store)?;
        store.close()?;
        Ok(done)
    });
    match done {
        Ok(done) => done.map_err(|error: hark_store::Error| error.to_string()),
        Err(error) => Err(format!("{}: {error}", dir.display())),
    }
}

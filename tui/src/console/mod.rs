//! The console. Data goes one way: `connection` brings news and the terminal brings keys, `update`
//! changes the `state` by them, `view` draws it. Nothing is drawn but when something changed, and
//! of many changes only the last is drawn.

pub(crate) mod config;
mod connection;
mod export;
mod hosts;
mod keys;
mod latencies;
mod past;
mod recording;
#[cfg(test)]
mod sample;
mod signal;
mod state;
mod terminal;
mod theme;
mod update;
mod view;
mod widget;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crossterm::event::EventStream;
use futures_util::StreamExt as _;
use hark_api::Timestamp;
use hark_api::client::{Client, Endpoint, Token};
use tokio::signal::unix::{Signal, SignalKind};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli::{ConsoleArgs, ThemeName};
use crate::error::Error;
use config::Config;
use recording::{Clock, Recorder, Replay};
use state::{App, Link, Tab};
use terminal::Screen;
use theme::{Depth, Theme};
use update::Effect;

/// Events that are kept at hand unless told otherwise.
const KEEP: u32 = 100_000;
/// News that may wait; whoever brings more waits.
const NEWS: usize = 64;
/// News taken in before keys are looked at again.
const NEWS_AT_ONCE: usize = 8;
/// Frames are no closer together than this, unless a key was pressed.
const FRAME: Duration = Duration::from_millis(100);
/// The clock and ages are drawn anew after this long.
const CLOCK: Duration = Duration::from_secs(1);

/// Runs the console until it is quit, or ended by a signal.
pub(crate) async fn run(
    mut client: Client,
    token: Option<Token>,
    args: &ConsoleArgs,
) -> Result<ExitCode, Error> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Error::NoTerminal);
    }
    // Before the screen is taken: what is wrong is said on the terminal as it was.
    let config = config::load(args.config.as_deref())?;
    let theme = args.theme.or(config.theme).unwrap_or(ThemeName::Dark);
    let theme = Theme::new(theme, Depth::detect()).with(&config.colours);
    let keep = args.keep.or(config.keep).unwrap_or(KEEP);
    let clients = hosts(&config, token.as_ref(), args)?;
    if let Some((_, first)) = clients.first() {
        client = first.clone();
    }
    let mut app = App::new(client.endpoint().to_string(), theme, keep as usize);
    app.keys = config.keys;
    let (told_in, mut told) = mpsc::channel(NEWS);
    for (at, (name, client)) in clients.iter().enumerate() {
        app.tab = Tab::Hosts;
        app.hosts
            .add(name.as_deref(), client.endpoint().to_string());
        tokio::spawn(hosts::watch(client.clone(), at, told_in.clone()));
    }
    app.is_local = matches!(client.endpoint(), Endpoint::Unix(_));
    let path = args.replay.as_ref();
    let replay = path
        .map(|path| Replay::open(path, args.speed))
        .transpose()?;
    let path = args.record.as_ref();
    let mut recorder = path.map(|path| Recorder::new(path)).transpose()?;
    app.is_recording = recorder.is_some();
    let mut signals = Signals::new()?;
    let mut screen = Screen::take()?;
    let (news_in, mut news) = mpsc::channel(NEWS);
    let retry = Arc::new(Notify::new());
    // Few: what is asked is for the frame that is seen.
    let (mut asks, asked) = mpsc::channel(4);
    let mut clock = None;
    // Of the host that is looked at; they end where another one is.
    let mut tasks = JoinSet::new();
    if let Some(replay) = replay {
        app.link = Link::Replay;
        app.is_local = false;
        clock = Some(replay.clock);
        tokio::spawn(recording::refuse(asked, news_in.clone()));
        tokio::spawn(replay.tell(news_in.clone()));
    } else {
        tasks.spawn(connection::answer(client.clone(), asked, news_in.clone()));
        tasks.spawn(connection::run(client, news_in.clone(), Arc::clone(&retry)));
    }
    // Kept, so that the news do not end where a recording does.
    let mut _news_in = news_in;
    let mut input = EventStream::new();

    let mut hits = Vec::new();
    let mut drawn = Instant::now();
    // When the next frame is due. The first one is: it shows before any answer.
    let mut due = Some(drawn);
    let mut searching = false;
    loop {
        if due.is_some_and(|due| due <= Instant::now()) {
            app.now = clock.map_or_else(Timestamp::now, |clock: Clock| clock.now());
            screen.draw(|buffer| {
                let drawn = view::draw(&app, buffer);
                hits = drawn.hits;
                drawn.cursor
            })?;
            drawn = Instant::now();
            due = None;
            // One question at a time; what is not asked now is asked with a later frame.
            if asks.capacity() == asks.max_capacity()
                && let Ok(place) = asks.try_reserve()
                && let Some(ask) = update::ask(&mut app)
            {
                place.send(ask);
            }
        }
        let wake = due.unwrap_or(drawn + clock_step(&app));
        tokio::select! {
            biased;
            code = signals.recv() => return Ok(ExitCode::from(code)),
            Some(event) = input.next() => {
                // Of many keys and turns of the wheel, only the last one's frame is drawn.
                let mut event = Some(event);
                while let Some(next) = event {
                    let effect = update::input(&mut app, &next?, &hits);
                    match effect {
                        Some(Effect::Quit) => return Ok(ExitCode::SUCCESS),
                        Some(Effect::Retry) => retry.notify_one(),
                        Some(Effect::Ask(ask)) => {
                            let refused = asks.try_send(ask).err();
                            // Where it cannot be asked it is said.
                            let why = refused.map(|_| Err("The agent is busy; try again".to_owned()));
                            if let Some(why) = why {
                                update::news(&mut app, connection::News::Changed(why));
                            }
                        }
                        Some(Effect::Signal(target, signal)) => {
                            let sent = signal::send(&target, signal);
                            update::signalled(&mut app, &target, sent);
                        }
                        Some(Effect::Export(path)) => {
                            let written = export::write(&app, &path, screen.area()?);
                            update::exported(&mut app, written);
                        }
                        Some(Effect::Enter(at)) => {
                            if let Some((_, client)) = clients.get(at) {
                                tasks = JoinSet::new();
                                let (news_in, asked);
                                (news_in, news) = mpsc::channel(NEWS);
                                (asks, asked) = mpsc::channel(4);
                                tasks.spawn(connection::answer(client.clone(), asked, news_in.clone()));
                                tasks.spawn(connection::run(client.clone(), news_in.clone(), Arc::clone(&retry)));
                                _news_in = news_in;
                            }
                        }
                        Some(Effect::Record(path)) => record(&mut app, &mut recorder, path),
                        Some(Effect::Copy(text)) => screen.copy(&text)?,
                        Some(Effect::Redraw) => screen.redraw()?,
                        None => {}
                    }
                    event = at_hand(&mut input).await;
                }
                searching = true;
                due = Some(Instant::now());
            }
            Some(item) = news.recv() => {
                let mut item = Some(item);
                for _ in 0..NEWS_AT_ONCE {
                    match item {
                        Some(news) => take(&mut app, &mut recorder, news),
                        None => break,
                    }
                    item = news.try_recv().ok();
                }
                if let Some(rest) = item {
                    take(&mut app, &mut recorder, rest);
                }
                due = due.or(Some(drawn + FRAME));
            }
            Some((at, host)) = told.recv() => {
                app.hosts.told(at, host.map(|told| *told), Timestamp::now());
                due = due.or(Some(drawn + FRAME));
            }
            () = std::future::ready(()), if searching => {
                searching = update::search(&mut app);
                due = due.or(Some(drawn + FRAME));
                tokio::task::yield_now().await;
            }
            () = tokio::time::sleep_until(wake) => due = Some(Instant::now()),
        }
    }
}

/// The next input, where it has come already. It is asked with this task's own waker: the stream
/// keeps the one that it was asked with first, and a key would wake nobody else.
async fn at_hand(input: &mut EventStream) -> Option<io::Result<crossterm::event::Event>> {
    std::future::poll_fn(|context| match input.poll_next_unpin(context) {
        Poll::Ready(next) => Poll::Ready(next),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The clients of the hosts that are asked for, with their names: those of the command line, else
/// those of the configuration file.
fn hosts(
    config: &Config,
    token: Option<&Token>,
    args: &ConsoleArgs,
) -> Result<Vec<(Option<String>, Client)>, Error> {
    if !args.host.is_empty() {
        let client = |host: &Endpoint| (None, Client::new(host.clone(), token.cloned()));
        return Ok(args.host.iter().map(client).collect());
    }
    if args.replay.is_some() || args.record.is_some() {
        return Ok(Vec::new());
    }
    let client = |host: &config::Host| {
        let wrong = |why: String| Error::Config(format!("the host {}: {why}", host.url));
        let endpoint = host
            .url
            .parse::<Endpoint>()
            .map_err(|e| wrong(e.to_string()))?;
        let token = match &host.token_file {
            None => token.cloned(),
            Some(path) => {
                let text = std::fs::read_to_string(path);
                let text = text.map_err(|e| wrong(format!("{}: {e}", path.display())))?;
                Some(
                    text.trim()
                        .parse()
                        .map_err(|_| wrong("its token is none".to_owned()))?,
                )
            }
        };
        Ok((host.name.clone(), Client::new(endpoint, token)))
    };
    config.hosts.iter().map(client).collect()
}

/// Takes in news, and records them where that is asked; where it fails it is said, once.
fn take(app: &mut App, recorder: &mut Option<Recorder>, news: connection::News) {
    if let Some(recording) = recorder
        && let Err(error) = recording.keep(&news, Timestamp::now())
    {
        *recorder = None;
        update::recording(app, false, &format!("Recording ended: {error}"));
    }
    update::news(app, news);
}

/// Begins a recording with what is known so far, or ends one.
fn record(app: &mut App, recorder: &mut Option<Recorder>, path: Option<String>) {
    let Some(path) = path else {
        *recorder = None;
        update::recording(app, false, "The recording is whole");
        return;
    };
    let now = Timestamp::now();
    let begun = Recorder::new(std::path::Path::new(&path)).and_then(|mut new| {
        for news in update::known(app) {
            new.keep(&news, now)?;
        }
        Ok(new)
    });
    match begun {
        Ok(new) => {
            *recorder = Some(new);
            update::recording(app, true, &format!("Recording to {path}"));
        }
        Err(error) => {
            let is_recording = recorder.is_some();
            update::recording(app, is_recording, &format!("Not recorded: {error}"));
        }
    }
}

/// How long the screen may stay as it is where nothing comes: a countdown is drawn each second,
/// vital signs bring the clock along.
fn clock_step(app: &App) -> Duration {
    match app.link {
        Link::Live => CLOCK + FRAME,
        _ => CLOCK,
    }
}

/// The signals that end a program.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: tokio::signal::unix::signal(SignalKind::interrupt())?,
            terminate: tokio::signal::unix::signal(SignalKind::terminate())?,
            hang_up: tokio::signal::unix::signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one; gives the exit code that shells use for it.
    async fn recv(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
            _ = self.hang_up.recv() => 129,
        }
    }
}

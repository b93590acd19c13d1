//! Killed again and again under load.

use std::time::Duration;

use crate::harness::{Place, wait_for};
use crate::load::Load;

/// kill -9 at random moments while two senders send each event once, and two send batches until
/// they are acknowledged; `HARK_KILL_ROUNDS` rounds, 5 without.
#[test]
fn what_was_acknowledged_survives_kill_9_and_what_is_sent_again_is_stored_once() {
    let rounds: usize = std::env::var("HARK_KILL_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(5);
    let place = Place::new();
    let socket = place.path("agent.sock");
    let load = Load::default();
    let row = std::thread::scope(|scope| {
        // The senders must end for the scope to end, also where something panics.
        let end = load.stop_at_end();
        load.start(scope, &socket, 2, 2);
        for round in 0..rounds {
            let agent = place.start();
            let before = load.acknowledged();
            let wanted = 1 + round * 37 % 200;
            wait_for("some to be acknowledged", || {
                (load.acknowledged() - before >= wanted).then_some(())
            });
            std::thread::sleep(Duration::from_micros(round as u64 * 613 % 7_000));
            agent.kill();
        }
        let agent = place.start();
        drop(end);
        // Those with a key end when their last batch is acknowledged; all else is known by then.
        wait_for("the senders to end", || load.has_ended().then_some(()));
        load.verify(&agent)
    });
    println!("{rounds} rounds: {row}");
}

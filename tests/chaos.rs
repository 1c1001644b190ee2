//! Bad days: nodes and databases are killed, clients hang up, sockets come by the thousand, calls by three times what can be
//! done, the power fails, the disk is full or broken, the clock jumps.
//!
//! Small by default; `CHAOS=full` is for figures, which are printed in any case. `CHAOS_SEED` repeats a run's dice, and
//! `CHAOS_HUBGATE` names another build of the program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    dead_code,
    missing_docs,
    reason = "a test says what is wrong by failing; its support is shared"
)]

use std::{fmt::Display, io::Write as _, time::Duration};

use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::{
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Instant,
};

#[path = "support/cable.rs"]
mod cable;
#[path = "support/postgres.rs"]
mod database;
#[path = "nodes/house.rs"]
mod house;
#[path = "support/nothing_else.rs"]
mod nothing_else;
#[path = "hub/support.rs"]
mod support;
#[path = "support/token_server.rs"]
mod token_server;

#[path = "chaos/bad_peers.rs"]
mod bad_peers;
#[path = "chaos/clock.rs"]
mod clock;
#[path = "chaos/disk.rs"]
mod disk;
#[path = "chaos/hang_ups.rs"]
mod hang_ups;
#[path = "chaos/kills.rs"]
mod kills;
#[path = "chaos/ledger.rs"]
mod ledger;
#[path = "chaos/outage.rs"]
mod outage;
#[path = "chaos/overload.rs"]
mod overload;
#[path = "chaos/power.rs"]
mod power;
#[path = "chaos/rolling.rs"]
mod rolling;
#[path = "chaos/sick_disk.rs"]
mod sick_disk;
#[path = "chaos/storm.rs"]
mod storm;
#[path = "chaos/sync_points.rs"]
mod sync_points;
#[path = "chaos/tracer.rs"]
mod tracer;

use support::Reply;

fn is_full() -> bool {
    std::env::var_os("CHAOS").is_some_and(|value| value == "full")
}

/// `small`, or `full` when figures are asked for.
fn size(small: usize, full: usize) -> usize {
    if is_full() { full } else { small }
}

static MACHINE: RwLock<()> = RwLock::const_new(());

/// A check's turn.
enum Turn {
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
    Beside(#[expect(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
}

/// The machine for this check alone: it loads it, or looks at times.
async fn alone() -> Turn {
    Turn::Alone(MACHINE.write().await)
}

/// The machine, beside others that have files, processes and ports of their own as well; alone when figures are asked for.
async fn beside_others() -> Turn {
    if is_full() { alone().await } else { Turn::Beside(MACHINE.read().await) }
}

/// Tells what a check saw, past the harness, which keeps to itself what macros print.
fn tell(check: &str, seen: impl Display) {
    drop(writeln!(std::io::stderr(), "chaos: {check}: {seen}"));
}

/// Dice that fall the same way again for the same seed.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn new(check: &str) -> Self {
        let given = std::env::var_os("CHAOS_SEED").map(|seed| seed.to_str().unwrap().parse().unwrap());
        let seed = given.unwrap_or_else(|| getrandom::u32().unwrap().into());
        tell(check, format_args!("CHAOS_SEED={seed}"));
        Self::seeded(seed)
    }

    fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 to below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % end
    }

    /// A moment before `end` milliseconds.
    fn moment(&mut self, end: u64) -> Duration {
        Duration::from_micros(self.below(end * 1000))
    }
}

/// What came back, if anything whole did.
async fn attempt(request: RequestBuilder) -> Option<Reply> {
    let response = request.send().await.ok()?;
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.ok()?.to_vec();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Some(Reply { status, headers, body, bytes })
}

/// Asks until `done`, for a minute at most: a check never hangs.
async fn eventually<F: Future<Output = bool>>(what: &str, done: impl Fn() -> F) {
    let until = Instant::now() + Duration::from_secs(60);
    while !done().await {
        assert!(Instant::now() < until, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

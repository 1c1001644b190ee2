//! A comparison: every program in turn, the order turned round every second time, medians over the rounds.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Outcome,
    driver::{self, Load, Measured},
    process::Process,
    wire::{Reply, Wire},
};

/// Whether the body of an answer is right.
pub type Right = Box<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// A program under test and what it is sent.
pub struct Contender<'p> {
    pub name: &'static str,
    pub process: &'p Process,
    pub load: Load,
    pub right: Right,
}

/// One program's medians.
#[derive(Debug, Clone)]
pub struct Row {
    pub name: &'static str,
    pub connections: usize,
    pub cpu_us: f64,
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub resident: f64,
    /// CPU per request over that of each program in the same round.
    pub ratio: BTreeMap<&'static str, f64>,
}

/// Sends every request of every contender once and looks at the answers.
pub async fn verify(contenders: &[Contender<'_>]) -> Outcome<()> {
    for contender in contenders {
        verify_one(contender.name, &contender.load, &contender.right).await?;
    }
    Ok(())
}

/// As [`verify`], for one.
pub async fn verify_one(name: &str, load: &Load, right: &Right) -> Outcome<()> {
    let mut wire = Wire::open(load.address).await?;
    for request in load.requests.iter() {
        let reply = wire.call(request).await?;
        check(name, &wire, reply, load.status, right)?;
    }
    Ok(())
}

/// Fails when an answer has another status, or its body is not right.
pub fn check(name: &str, wire: &Wire, reply: Reply, status: u16, right: &Right) -> Outcome<()> {
    if reply.status == status && right(wire.body(reply)) {
        return Ok(());
    }
    let body = String::from_utf8_lossy(wire.body(reply)).chars().take(600).collect::<String>();
    Err(format!("{name} answers wrongly ({}): {body}", reply.status).into())
}

/// Measures all contenders at one number of connections.
pub async fn run(contenders: &[Contender<'_>], connections: usize, rounds: usize, time: Duration) -> Outcome<Vec<Row>> {
    let mut all: Vec<Vec<Measured>> = vec![Vec::new(); contenders.len()];
    for round in 0..rounds {
        for at in order(round, contenders.len()) {
            let contender = &contenders[at];
            all[at].push(driver::closed(&contender.load, connections, time, contender.process).await?);
        }
    }
    let of = |at: usize, field: fn(&Measured) -> f64| median(all[at].iter().map(field).collect());
    let ratio = |at: usize, base: usize| {
        median(all[at].iter().zip(&all[base]).map(|(own, base)| own.cpu_us / base.cpu_us.max(1e-9)).collect())
    };
    Ok(contenders
        .iter()
        .enumerate()
        .map(|(at, contender)| Row {
            name: contender.name,
            connections,
            cpu_us: of(at, |m| m.cpu_us),
            per_second: of(at, |m| m.per_second),
            p50_us: of(at, |m| m.p50_us),
            p99_us: of(at, |m| m.p99_us),
            resident: of(at, |m| m.resident as f64),
            ratio: contenders.iter().enumerate().map(|(base, other)| (other.name, ratio(at, base))).collect(),
        })
        .collect())
}

/// Whose turn it is in `round`, of so many programs.
pub fn order(round: usize, programs: usize) -> impl Iterator<Item = usize> {
    (0..programs).map(move |turn| if round.is_multiple_of(2) { turn } else { programs - 1 - turn })
}

/// The middle of the values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 0 => f64::midpoint(values[half - 1], values[half]),
        _ => values[half],
    }
}

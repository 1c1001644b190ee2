//! Drives one program: so many connections, each a call after the other, or calls at a fixed rate.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use tokio::task::JoinSet;

use super::{Outcome, process::Process, wire::Wire};

/// How long a program runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(400);

/// What is sent where.
#[derive(Debug, Clone)]
pub struct Load {
    pub address: SocketAddr,
    /// Each connection starts at another one of these and goes round.
    pub requests: Arc<Vec<Vec<u8>>>,
    pub status: u16,
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub cpu_us: f64,
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub resident: u64,
}

struct Gate {
    open: AtomicBool,
    over: AtomicBool,
    done: AtomicU64,
}

/// Runs `load` over `connections` for `time`, and measures `process`.
pub async fn closed(load: &Load, connections: usize, time: Duration, process: &Process) -> Outcome<Measured> {
    let gate = Arc::new(Gate { open: AtomicBool::new(false), over: AtomicBool::new(false), done: AtomicU64::new(0) });
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        let (load, gate) = (load.clone(), Arc::clone(&gate));
        tasks.spawn(async move {
            let mut wire = Wire::open(load.address).await?;
            let mut times: Vec<u32> = Vec::new();
            let mut next = number * load.requests.len() / connections.max(1);
            while !gate.over.load(Ordering::Relaxed) {
                let request = &load.requests[next % load.requests.len()];
                next += 1;
                let started = Instant::now();
                let reply = wire.call(request).await?;
                if reply.status != load.status {
                    let body = String::from_utf8_lossy(wire.body(reply)).into_owned();
                    return Err(format!("an answer has status {}: {body}", reply.status).into());
                }
                if gate.open.load(Ordering::Relaxed) {
                    gate.done.fetch_add(1, Ordering::Relaxed);
                    times.push(u32::try_from(started.elapsed().as_nanos()).unwrap_or(u32::MAX));
                }
            }
            Outcome::Ok(times)
        });
    }
    tokio::time::sleep(WARM_UP).await;
    let (cpu, started) = (process.cpu(), Instant::now());
    gate.open.store(true, Ordering::Relaxed);
    tokio::time::sleep(time).await;
    let (done, cpu, elapsed) =
        (gate.done.load(Ordering::Relaxed), process.cpu().saturating_sub(cpu), started.elapsed());
    let resident = process.resident();
    gate.over.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        times.extend(ended??);
    }
    Ok(measured(done, cpu, elapsed, resident, times))
}

fn measured(requests: u64, cpu: Duration, elapsed: Duration, resident: u64, mut times: Vec<u32>) -> Measured {
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(index).map_or(0.0, |ns| f64::from(*ns) / 1e3)
    };
    Measured {
        cpu_us: cpu.as_secs_f64() * 1e6 / requests.max(1) as f64,
        per_second: requests as f64 / elapsed.as_secs_f64(),
        p50_us: at(0.5),
        p99_us: at(0.99),
        resident,
    }
}

/// Sends `rate` calls a second for `time`, evenly, whatever the answers do; without a rate each call as soon as the one before
/// is answered. The times in microseconds, sorted.
///
/// A thread for each connection: it can sleep to the microsecond, where a runtime's timer would have to be helped by spinning,
/// which takes the processor from what is measured.
pub async fn threads(load: &Load, connections: usize, rate: Option<f64>, time: Duration) -> Outcome<Vec<f64>> {
    let begin = Instant::now() + Duration::from_millis(100);
    let each = rate.map(|rate| Duration::from_secs_f64(connections as f64 / rate)).unwrap_or_default();
    let threads: Vec<_> = (0..connections)
        .map(|number| {
            let (load, first) = (load.clone(), begin + each.mul_f64(number as f64 / connections as f64));
            std::thread::spawn(move || -> Outcome<Vec<f64>> {
                let mut wire = Wire::block(load.address)?;
                let mut times = Vec::new();
                let (mut due, mut next) = (first, number);
                while due.max(Instant::now()) < begin + time {
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let sent = Instant::now();
                    let called = wire.call(&load.requests[next % load.requests.len()]).now_or_never();
                    let reply = called.ok_or("a thread that waits was not to be waited for")??;
                    next += connections;
                    if reply.status != load.status {
                        return Err(format!("an answer has status {}", reply.status).into());
                    }
                    // What the driver itself was late by is not the program's.
                    times.push(sent.elapsed().as_secs_f64() * 1e6);
                    due += each;
                }
                Ok(times)
            })
        })
        .collect();
    let ended = tokio::task::spawn_blocking(move || {
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Outcome<Vec<_>>>()
    });
    let mut times = ended.await??.concat();
    times.sort_unstable_by(f64::total_cmp);
    Ok(times)
}

/// The value below which `share` of the sorted values lie.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

/// Runs `load` for `time` and counts every call, from the first to the last.
pub async fn counted(load: &Load, connections: usize, time: Duration) -> Outcome<u64> {
    let until = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        let load = load.clone();
        tasks.spawn(async move {
            let mut wire = Wire::open(load.address).await?;
            let mut done = 0_u64;
            while Instant::now() < until {
                let at = (number + usize::try_from(done)?) % load.requests.len();
                if wire.call(&load.requests[at]).await?.status != load.status {
                    return Err("an answer has another status".into());
                }
                done += 1;
            }
            Outcome::Ok(done)
        });
    }
    let mut done = 0;
    while let Some(ended) = tasks.join_next().await {
        done += ended??;
    }
    Ok(done)
}

//! What hubgate adds to a call, from little load to much, and what nginx adds at the same rates.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    super::{
        Outcome,
        documents::{CONTACT, CONTACT_ID},
        driver::{self, Load, quantile},
        machine,
        options::Options,
        process::Process,
        provider,
        report::{self, Target},
        rig::Rig,
        rounds::{median, order, verify_one},
        served::{Kind, requests},
        wire::request,
    },
    proxied::{same, uniform_contact},
};

const CONNECTIONS: usize = 16;
/// The loads, as parts of what hubgate gets through at most; the last one is what is promised of.
const LOADS: [f64; 3] = [0.1, 0.25, 0.5];

/// One turn of one program at one rate.
#[derive(Clone, Copy, Default)]
struct Turn {
    p50: f64,
    p99: f64,
    /// Processor time of the program a call, µs.
    cpu: f64,
    /// How much of all processors was in use, by whatever, in percent.
    busy: f64,
}

/// One way to the provider.
struct Way<'p> {
    name: &'static str,
    load: Load,
    process: Option<&'p Process>,
}

async fn turn(way: &Way<'_>, rate: f64, time: Duration) -> Outcome<Turn> {
    let cpu = || way.process.map(Process::cpu).unwrap_or_default();
    let (begun, cpu_before, idle_before) = (Instant::now(), cpu(), machine::idle());
    let sorted = driver::threads(&way.load, CONNECTIONS, Some(rate), time).await?;
    let all = begun.elapsed().as_secs_f64() * machine::processors() as f64;
    Ok(Turn {
        p50: quantile(&sorted, 0.5),
        p99: quantile(&sorted, 0.99),
        cpu: cpu().saturating_sub(cpu_before).as_secs_f64() * 1e6 / sorted.len().max(1) as f64,
        busy: 100.0 - machine::idle().saturating_sub(idle_before).as_secs_f64() / all * 100.0,
    })
}

pub async fn run(rig: &Rig) -> Outcome<Vec<Target>> {
    let (nginx, hubgate) = (rig.nginx().await?, rig.setting("latency").start().await?);
    let tokens = hubgate.instances("benchcrm", CONNECTIONS, Kind::default()).await?;
    let path = format!("/hubs/crm/contacts/{CONTACT_ID}");
    let through =
        Load { address: hubgate.address, requests: Arc::new(requests(&tokens, "GET", &path, &[], &[])), status: 200 };
    let bearer = format!("Bearer {}", provider::TOKEN);
    let path = format!("/crm/v3/objects/contacts/{CONTACT_ID}");
    let plain = Arc::new(vec![request("GET", &path, &[("Authorization", &bearer)], &[])]);
    let plain = |address: SocketAddr| Load { address, requests: Arc::clone(&plain), status: 200 };
    let ways = [
        Way { name: "direct", load: plain(rig.provider.address), process: None },
        Way { name: "through nginx", load: plain(nginx.plain), process: Some(&nginx.process) },
        Way { name: "through hubgate", load: through, process: Some(&hubgate.process) },
    ];
    for (way, right) in ways.iter().zip([same(&CONTACT), same(&CONTACT), uniform_contact()]) {
        verify_one(way.name, &way.load, &right).await?;
    }
    // By the same driver, which takes its share of the processors: half of what a cheaper one gets through is more than half
    // of what this one leaves room for.
    let time = rig.options.seconds;
    let full = driver::threads(&ways[2].load, CONNECTIONS, None, time).await?.len() as f64 / time.as_secs_f64();
    let mut targets = Vec::new();
    // What it takes on a virtual machine to have a processor that sleeps wake up again, and what its neighbours do with it in the
    // meantime, is no work of any of these programs; it is told apart.
    for awake in [true, false] {
        let words = if awake { "processors kept awake" } else { "processors asleep when idle" };
        let _while_it_lasts = match awake.then(machine::awake).transpose() {
            Ok(awake) => awake,
            Err(error) => {
                println!("\n**Latency with {words} could not be measured: {error}**");
                continue;
            }
        };
        report::heading(&format!(
            "Latency over {CONNECTIONS} connections, {words}; full load is {full:.0} calls a second"
        ));
        let [p50, p99] = added(&ways, full, &rig.options).await?;
        targets.extend([
            Target::most(format!("latency added at half load, {words}, p50"), p50, 150.0, 75.0, "µs"),
            Target::most(format!("latency added at half load, {words}, p99"), p99, 1500.0, 750.0, "µs"),
        ]);
    }
    Ok(targets)
}

/// Measures at all loads and prints the table; what hubgate adds at the last of them, p50 and p99.
async fn added(ways: &[Way<'_>; 3], full: f64, options: &Options) -> Outcome<[f64; 2]> {
    println!("| load | | p50 µs | p99 µs | CPU µs/call | all processors |\n|---:|---|---:|---:|---:|---:|");
    let mut added = [0.0; 2];
    for load in LOADS {
        let mut measured: Vec<[Turn; 3]> = Vec::new();
        for round in 0..options.rounds {
            let mut turns = [Turn::default(); 3];
            for which in order(round, ways.len()) {
                turns[which] = turn(&ways[which], full * load, options.seconds).await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            measured.push(turns);
        }
        for (n, way) in ways.iter().enumerate() {
            let of = |pick: fn(&Turn) -> f64| median(measured.iter().map(|turns| pick(&turns[n])).collect());
            let cpu = way.process.map_or_else(String::new, |_| format!("{:.1}", of(|turn| turn.cpu)));
            println!(
                "| {:.0} % | {} | {:.0} | {:.0} | {cpu} | {:.0} % |",
                load * 100.0,
                way.name,
                of(|turn| turn.p50),
                of(|turn| turn.p99),
                of(|turn| turn.busy)
            );
        }
        added = [|turn: &Turn| turn.p50, |turn: &Turn| turn.p99]
            .map(|of| median(measured.iter().map(|[direct, _, through]| of(through) - of(direct)).collect()));
    }
    Ok(added)
}

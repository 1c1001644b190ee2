//! Files: one large one down and up, and clients that stop reading.

use std::time::{Duration, Instant};

use super::super::{
    Outcome,
    process::Process,
    provider,
    report::{self, Target},
    rig::Rig,
    rounds::{median, order},
    served::{BASE, Hubgate, Kind, requests},
    wire::{Wire, request},
};

/// Clients that stop reading.
const STALLED: usize = 50;
const BOUNDARY: &str = "bench-boundary";

/// One way of moving the file, through one program.
struct Way<'p> {
    name: &'static str,
    up: bool,
    process: &'p Process,
    address: std::net::SocketAddr,
    request: Vec<u8>,
    lead: Vec<u8>,
    tail: Vec<u8>,
}

/// What one transfer took.
struct Moved {
    per_second: f64,
    cpu_ms_per_gib: f64,
    growth: f64,
}

async fn move_file(way: &Way<'_>, bytes: u64) -> Outcome<Moved> {
    let mut wire = Wire::open(way.address).await?;
    let before = way.process.resident();
    let (cpu, started) = (way.process.cpu(), Instant::now());
    let mut most = before;
    let transfer = async {
        if way.up {
            let reply = wire.upload(&way.request, &way.lead, bytes, &way.tail).await?;
            if reply.status != 200 {
                let body = String::from_utf8_lossy(wire.body(reply)).into_owned();
                return Err(format!("an upload has status {}: {body}", reply.status).into());
            }
        } else {
            let (status, length, came) = wire.begin(&way.request).await?;
            if status != 200 || length != bytes {
                return Err(format!("a download has status {status} and {length} bytes").into());
            }
            wire.discard(length - came as u64).await?;
        }
        Outcome::Ok(())
    };
    let mut transfer = std::pin::pin!(transfer);
    loop {
        tokio::select! {
            ended = &mut transfer => break ended?,
            () = tokio::time::sleep(Duration::from_millis(50)) => most = most.max(way.process.resident()),
        }
    }
    let (elapsed, cpu) = (started.elapsed(), way.process.cpu().saturating_sub(cpu));
    Ok(Moved {
        per_second: bytes as f64 / elapsed.as_secs_f64(),
        cpu_ms_per_gib: cpu.as_secs_f64() * 1e3 * f64::from(1 << 30) / bytes as f64,
        growth: most.saturating_sub(before) as f64,
    })
}

fn ways<'p>(hubgate: &'p Hubgate, token: &str, nginx: &'p super::super::nginx::Nginx, bytes: u64) -> Vec<Way<'p>> {
    let bearer = format!("Bearer {}", provider::TOKEN);
    let element = format!("Element {token}");
    let lead = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.bin\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let tail = format!("\r\n--{BOUNDARY}--\r\n");
    let whole = bytes + (lead.len() + tail.len()) as u64;
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let whole = whole.to_string();
    let head = |path: &str, authorization: &str| {
        let headers = [("Authorization", authorization), ("Content-Type", &kind), ("Content-Length", &whole)];
        request("POST", path, &headers, &[])
    };
    let way = |name, up, request: Vec<u8>| {
        let (process, address) = if name == "nginx, plain proxy" {
            (&nginx.process, nginx.plain)
        } else {
            (&hubgate.process, hubgate.address)
        };
        let (lead, tail) = if up { (lead.clone().into_bytes(), tail.clone().into_bytes()) } else { Default::default() };
        Way { name, up, process, address, request, lead, tail }
    };
    let download = requests(&[token.to_owned()], "GET", "/hubs/documents/files?path=%2Ff1", &[], &[]).remove(0);
    vec![
        way("nginx, plain proxy", false, request("GET", "/files/f1", &[("Authorization", &bearer)], &[])),
        way("hubgate", false, download),
        way("nginx, plain proxy", true, head("/files", &bearer)),
        way("hubgate", true, head(&format!("{BASE}/hubs/documents/files?path=%2Ff1&size={bytes}"), &element)),
    ]
}

/// One large file, down and up.
pub async fn files(rig: &Rig) -> Outcome<Vec<Target>> {
    let nginx = rig.nginx().await?;
    let hubgate = rig.setting("files").start().await?;
    let token = hubgate.instances("benchfiles", 1, Kind::default()).await?.remove(0);
    let bytes = rig.options.file_bytes;
    let ways = ways(&hubgate, &token, &nginx, bytes);
    let mut all: Vec<Vec<Moved>> = ways.iter().map(|_| Vec::new()).collect();
    for round in 0..rig.options.rounds {
        for at in order(round, ways.len()) {
            let taken = rig.provider.uploaded();
            all[at].push(move_file(&ways[at], bytes).await?);
            if ways[at].up && rig.provider.uploaded() - taken < bytes {
                return Err(format!("{}: the provider did not get all of the file", ways[at].name).into());
            }
        }
    }
    report::heading(&format!("f: a file of {} MiB, one connection", bytes >> 20));
    println!("| program | way | GB/s | CPU ms/GiB | growth MiB | throughput to nginx |\n|---|---|---:|---:|---:|---:|");
    let mut targets = Vec::new();
    for (at, way) in ways.iter().enumerate() {
        let base = at - at % 2;
        let of = |pick: fn(&Moved) -> f64| median(all[at].iter().map(pick).collect());
        let ratio =
            median(all[at].iter().zip(&all[base]).map(|(own, base)| own.per_second / base.per_second).collect());
        let growth = of(|moved| moved.growth) / f64::from(1 << 20);
        let direction = if way.up { "upload" } else { "download" };
        println!(
            "| {} | {direction} | {:.2} | {:.0} | {growth:.1} | {ratio:.2} |",
            way.name,
            of(|moved| moved.per_second) / 1e9,
            of(|moved| moved.cpu_ms_per_gib)
        );
        if way.name == "hubgate" {
            targets.push(Target::least(format!("f: {direction}, throughput to nginx"), ratio, 0.9, 1.0, "×"));
            targets.push(Target::most(format!("f: {direction}, memory growth"), growth, 8.0, 8.0, "MiB"));
        }
    }
    Ok(targets)
}

/// What is held for clients that stop reading.
pub async fn stalled(rig: &Rig) -> Outcome<Vec<Target>> {
    let nginx = rig.nginx().await?;
    let hubgate = rig.setting("stalled").start().await?;
    let token = hubgate.instances("benchfiles", 1, Kind::default()).await?.remove(0);
    report::heading(&format!("f': {STALLED} clients that stop reading"));
    println!("| program | MiB held for each |\n|---|---:|");
    let mut held = 0.0;
    for way in ways(&hubgate, &token, &nginx, rig.options.file_bytes).iter().filter(|way| !way.up) {
        // One full transfer first: what a program keeps after its first is not held for the clients.
        move_file(way, rig.options.file_bytes).await?;
        let before = way.process.settled().await;
        let mut wires = Vec::new();
        for _ in 0..STALLED {
            let mut wire = Wire::open(way.address).await?;
            let (status, ..) = wire.begin(&way.request).await?;
            if status != 200 {
                return Err(format!("a download has status {status}").into());
            }
            wires.push(wire);
        }
        let after = way.process.settled().await;
        held = after.saturating_sub(before) as f64 / STALLED as f64 / f64::from(1 << 20);
        println!("| {} | {held:.2} |", way.name);
        drop(wires);
        way.process.settled().await;
    }
    Ok(vec![Target::most("f': held for a client that stops reading", held, 1.4, 0.6, "MiB")])
}

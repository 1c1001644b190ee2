//! The process at rest, and the system calls of a request.

use std::{
    fs,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use super::{
    super::{
        Outcome,
        driver::{self, Load},
        machine,
        report::{self, Target},
        rig::Rig,
        rounds::{median, verify_one},
        served::{Kind, requests},
    },
    proxied::{uniform_contact, uniform_page},
};

/// A process that has nothing to do: size, readiness, resident memory.
pub async fn idle(rig: &Rig) -> Outcome<Vec<Target>> {
    let setting = rig.setting("process");
    // The first start makes the store.
    drop(setting.start().await?);
    let (mut ready, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..rig.options.rounds {
        let hubgate = setting.start().await?;
        ready.push(hubgate.ready.as_secs_f64() * 1e3);
        resident.push(hubgate.process.settled().await as f64 / f64::from(1 << 20));
    }
    let stripped = rig.home.path().join("stripped");
    let strip = Command::new("strip").arg("-o").arg(&stripped).arg(&rig.binary).status();
    let size = |file: &std::path::Path| fs::metadata(file).map(|data| data.len() as f64 / f64::from(1 << 20));
    let own = size(&rig.binary)?;
    let shipped = if strip.is_ok_and(|status| status.success()) { size(&stripped)? } else { own };
    let (ready, resident) = (median(ready), median(resident));
    report::heading("An idle process");
    println!(
        "Ready after {ready:.0} ms, {resident:.1} MiB resident; the binary has {own:.1} MiB, {shipped:.1} MiB stripped."
    );
    Ok(vec![
        Target::most("idle: resident", resident, 30.0, 30.0, "MiB"),
        Target::most("idle: binary, stripped", shipped, 40.0, 40.0, "MiB"),
        Target::most("idle: ready after exec", ready, 200.0, 200.0, "ms"),
    ])
}

/// System calls per translated request, by strace.
pub async fn system_calls(rig: &Rig) -> Outcome<Vec<Target>> {
    let strace = machine::find("strace").ok_or("strace is missing: apt-get install strace")?;
    let hubgate = rig.setting("syscalls").start().await?;
    let tokens = hubgate.instances("benchcrm", 16, Kind::default()).await?;
    let mut targets = Vec::new();
    report::heading("System calls per translated request, 64 connections");
    let contacts = "/hubs/crm/contacts";
    for (what, path, right) in
        [("a", format!("{contacts}/512"), uniform_contact()), ("b", format!("{contacts}?pageSize=100"), uniform_page())]
    {
        let requests = Arc::new(requests(&tokens, "GET", &path, &[], &[]));
        let load = Load { address: hubgate.address, requests, status: 200 };
        verify_one("hubgate", &load, &right).await?;
        let file = rig.home.path().join(format!("strace-{what}"));
        // Measured calls and traced calls are the same ones as long as strace comes before and goes after.
        let tracer = Command::new(&strace)
            .args(["-c", "-f", "-q", "-p", &hubgate.process.id().to_string(), "-o"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let counted = driver::counted(&load, 64, rig.options.seconds).await?;
        let stopped = Command::new("kill").args(["-INT", &tracer.id().to_string()]).status()?;
        let mut tracer = tracer;
        tracer.wait()?;
        if !stopped.success() {
            return Err("strace ended early; is tracing allowed here?".into());
        }
        let table = fs::read_to_string(&file)?;
        let rows: Vec<(String, f64)> = table
            .lines()
            .filter_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let calls = fields.get(3)?.parse::<f64>().ok()?;
                let name = fields.last()?;
                (*name != "total").then(|| ((*name).to_owned(), calls / counted as f64))
            })
            .collect();
        let total: f64 = rows.iter().map(|(_, calls)| calls).sum();
        let shown: Vec<String> =
            rows.iter().filter(|(_, calls)| *calls >= 0.02).map(|(name, calls)| format!("{name} {calls:.2}")).collect();
        println!("- {what}: {total:.2} ({})", shown.join(", "));
        targets.push(Target::most(format!("system calls per request, {what}"), total, 5.0, 4.2, ""));
    }
    Ok(targets)
}

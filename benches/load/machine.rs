//! The machine the figures are of, and the tools the bench uses.

use std::{fs, io::Write as _, path::PathBuf, process::Command, time::Duration};

use super::Outcome;

/// One line about processor, memory and kernel.
pub fn describe() -> String {
    let processors = processors();
    let model = line("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = line("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .map_or_else(String::new, |kib| format!(", {} GiB of memory", kib >> 20));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    format!("{processors} × {model}{memory}, Linux {}; load average at the start {load}", kernel.trim())
}

/// How many processors there are.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Keeps processors that have nothing to do from sleeping until it is dropped: by the kernel's quality of service for power
/// management, as benches of real-time kernels do it. Only root may.
pub fn awake() -> Outcome<fs::File> {
    const DEVICE: &str = "/dev/cpu_dma_latency";
    let mut device = fs::File::options().write(true).open(DEVICE).map_err(|error| format!("{DEVICE}: {error}"))?;
    // The microseconds that waking up may take.
    device.write_all(&0_i32.to_ne_bytes())?;
    Ok(device)
}

/// The time that the processors had nothing to do, together, since the start of the machine.
pub fn idle() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = text.split_whitespace().skip(4).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>();
    Duration::from_secs_f64(ticks / configured("CLK_TCK") as f64)
}

fn line(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Where a program is, if it is installed.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// The version line of nginx, for the table.
pub fn nginx_version() -> String {
    let said = find("nginx").and_then(|nginx| Command::new(nginx).arg("-v").output().ok());
    let said = said.map_or_else(String::new, |output| String::from_utf8_lossy(&output.stderr).into_owned());
    said.trim().rsplit(' ').next().unwrap_or("?").to_owned()
}

/// A number the system is configured with.
pub fn configured(name: &str) -> u64 {
    let said = Command::new("getconf").arg(name).output().ok();
    said.and_then(|output| String::from_utf8_lossy(&output.stdout).trim().parse().ok()).unwrap_or(match name {
        "CLK_TCK" => 100,
        _ => 4096,
    })
}

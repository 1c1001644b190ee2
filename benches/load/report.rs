//! The table, as Markdown that can stand in docs/performance.md.

use super::rounds::Row;

/// Prints a heading.
pub fn heading(text: &str) {
    println!("\n### {text}\n");
}

/// Prints the rows of one comparison; ratios are to `base`.
pub fn comparison(rows: &[Row], base: &str) {
    println!("| program | connections | CPU µs/request | requests/s | p50 µs | p99 µs | RSS MiB | CPU to {base} |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for row in rows {
        println!(
            "| {} | {} | {:.1} | {:.0} | {:.0} | {:.0} | {:.1} | {:.2} |",
            row.name,
            row.connections,
            row.cpu_us,
            row.per_second,
            row.p50_us,
            row.p99_us,
            row.resident / f64::from(1 << 20),
            row.ratio.get(base).copied().unwrap_or_default(),
        );
    }
    println!();
}

/// One target and what was measured for it.
#[derive(Debug, Clone)]
pub struct Target {
    pub what: String,
    pub measured: f64,
    pub must: f64,
    pub aim: f64,
    pub unit: &'static str,
    /// Whether more is better.
    pub more: bool,
}

impl Target {
    /// A target that is met from below.
    pub fn most(what: impl Into<String>, measured: f64, must: f64, aim: f64, unit: &'static str) -> Self {
        Self { what: what.into(), measured, must, aim, unit, more: false }
    }

    /// A target that is met from above.
    pub fn least(what: impl Into<String>, measured: f64, must: f64, aim: f64, unit: &'static str) -> Self {
        Self { what: what.into(), measured, must, aim, unit, more: true }
    }

    fn word(&self) -> &'static str {
        let met = |target: f64| if self.more { self.measured >= target } else { self.measured <= target };
        match (met(self.must), met(self.aim)) {
            (_, true) => "aim met",
            (true, _) => "must met",
            _ => "**missed**",
        }
    }
}

/// Prints all targets of the run.
pub fn targets(targets: &[Target]) {
    if targets.is_empty() {
        return;
    }
    heading("Targets");
    println!("| target | measured | must | aim | |");
    println!("|---|---:|---:|---:|---|");
    for target in targets {
        let sign = if target.more { "≥" } else { "≤" };
        println!(
            "| {} | {} {} | {sign} {} | {sign} {} | {} |",
            target.what,
            short(target.measured),
            target.unit,
            short(target.must),
            short(target.aim),
            target.word()
        );
    }
}

fn short(value: f64) -> String {
    let text = if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    match text.split_once('.') {
        Some((whole, "00")) => whole.to_owned(),
        _ => text,
    }
}

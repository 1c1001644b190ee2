//! The command line.

use std::{path::PathBuf, time::Duration};

use super::Outcome;

const HELP: &str = "\
cargo bench --bench load -- [scenario…] [options]

Scenarios (all of them when none is named):
  a         one record of 1.6 KB, translated
  b         a page of 100 records (53 KB), translated
  c         create: a small JSON body both ways
  d         a folder listing of 100 entries with ids made of paths (the shipped element `dropbox`)
  e         cache hits of a and b, with and without If-None-Match
  shipped   a and b through the shipped element `hubspotcrm`, with all its fields
  latency   what hubgate adds to a call at a tenth, a quarter and half of its load; as root also with processors kept awake
  f         download and upload of one large file
  stalled   50 clients that stop reading
  g         idle connections
  h         a thousand calls at once on an expired grant
  i         many instances in the store
  j         making instances
  process   an idle process
  syscalls  system calls per translated request
  growth    CPU per request over the number of instances and of elements

Options:
  --rounds N            rounds per scenario [5]
  --seconds N           seconds per program and round [3]
  --connections A,B,…   connections [16,64,256]
  --instances N         instances of scenario i [1000000]
  --file-mib N          size of the file of f [1024]
  --binary PATH         the hubgate to measure [built anew: cargo build --release]
  --quick               one round of one second at 64 connections, small sizes: to see that it works";

const SCENARIOS: [&str; 16] = [
    "a", "b", "c", "d", "e", "shipped", "latency", "f", "stalled", "g", "h", "i", "j", "process", "syscalls", "growth",
];

/// What is to be measured, and for how long.
#[derive(Debug, Clone)]
pub struct Options {
    pub scenarios: Vec<String>,
    pub rounds: usize,
    pub seconds: Duration,
    pub connections: Vec<usize>,
    pub instances: usize,
    pub file_bytes: u64,
    pub binary: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments; `None` when help was asked for.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Outcome<Option<Self>> {
        let mut options = Self {
            scenarios: Vec::new(),
            rounds: 5,
            seconds: Duration::from_secs(3),
            connections: vec![16, 64, 256],
            instances: 1_000_000,
            file_bytes: 1 << 30,
            binary: None,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                // cargo says so by itself.
                "--bench" => {}
                "--help" | "-h" => {
                    println!("{HELP}");
                    return Ok(None);
                }
                "--rounds" => options.rounds = value()?.parse::<usize>()?.max(1),
                "--seconds" => options.seconds = Duration::from_secs_f64(value()?.parse()?),
                "--connections" => {
                    options.connections = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?;
                }
                "--instances" => options.instances = value()?.parse()?,
                "--file-mib" => options.file_bytes = value()?.parse::<u64>()? << 20,
                "--binary" => options.binary = Some(value()?.into()),
                "--quick" => {
                    options.rounds = 1;
                    options.seconds = Duration::from_secs(1);
                    options.connections = vec![64];
                    options.instances = 20_000;
                    options.file_bytes = 128 << 20;
                }
                scenario if SCENARIOS.contains(&scenario) => options.scenarios.push(scenario.to_owned()),
                other => return Err(format!("`{other}` is neither a scenario nor an option\n\n{HELP}").into()),
            }
        }
        Ok(Some(options))
    }

    /// Whether a scenario is wanted.
    pub fn wants(&self, scenario: &str) -> bool {
        self.scenarios.is_empty() || self.scenarios.iter().any(|wanted| wanted == scenario)
    }
}

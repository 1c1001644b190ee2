//! Child processes: started bound to this one, measured through `/proc`, ended when dropped.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    process::{Child, Command},
    sync::LazyLock,
    time::{Duration, Instant},
};

use super::{Outcome, machine};

static TICKS: LazyLock<f64> = LazyLock::new(|| machine::configured("CLK_TCK") as f64);

/// A running program with everything it starts.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

/// A command that is terminated by the kernel when this process goes, however it goes.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    if let Some(setpriv) = machine::find("setpriv") {
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        return command;
    }
    Command::new(program)
}

impl Process {
    pub fn start(command: &mut Command) -> Outcome<Self> {
        let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        Ok(Self { child })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The pipe of its standard output, if there is one.
    pub fn stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Why it is not running any more, if so.
    pub fn check(&mut self) -> Outcome<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("a program ended by itself: {status}").into()),
        }
    }

    /// The processor time of the tree so far, user and system.
    pub fn cpu(&self) -> Duration {
        let ticks: u64 = tree(self.id()).iter().filter_map(|id| ticks(*id)).sum();
        Duration::from_secs_f64(ticks as f64 / *TICKS)
    }

    /// Bytes of the tree that are resident.
    pub fn resident(&self) -> u64 {
        tree(self.id()).iter().filter_map(|id| resident(*id)).sum()
    }

    /// Waits until the resident size has stopped changing, within bounds.
    pub async fn settled(&self) -> u64 {
        let mut last = self.resident();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let now = self.resident();
            if now.abs_diff(last) < 64 * 1024 {
                return now;
            }
            last = now;
        }
        last
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What has ended already needs no signal; what cannot be told gets the one that cannot be refused.
        let told = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        let until = Instant::now() + Duration::from_secs(5);
        while told.is_ok() && Instant::now() < until {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The process and its descendants.
pub fn tree(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(parent) = stat(id).and_then(|fields| fields.get(1)?.parse().ok()) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        found.extend(children.get(&found[at]).into_iter().flatten());
        at += 1;
    }
    found
}

/// The fields of `/proc/<id>/stat` from the state on.
fn stat(id: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

fn ticks(id: u32) -> Option<u64> {
    let fields = stat(id)?;
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

fn resident(id: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

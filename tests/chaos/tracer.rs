//! Faults in the system calls of a node, made by strace.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::disk::skip;

/// What makes what was written last: SQLite takes one of them.
pub(crate) const SYNCS: &str = "fsync,fdatasync";

/// A strace that is attached to a node; on drop it lets the node go.
pub(crate) struct Tracer {
    child: Child,
    /// The node's process.
    node: u32,
    told: PathBuf,
}

impl Tracer {
    /// Meddles with the calls of `pid` as `fault` says, from now on; `None`, and a loud word, where that is not allowed.
    pub(crate) fn attach(pid: u32, fault: &str, told: PathBuf, test: &str) -> Option<Self> {
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-p", &pid.to_string(), "-o"]).arg(&told);
        command.args(["-e", &format!("trace={SYNCS},close"), "-e", &format!("inject={SYNCS}:{fault}")]);
        let Ok(mut child) = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn() else {
            skip(test, "there is no strace");
            return None;
        };
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = lines.next().transpose().unwrap().unwrap_or_default();
        let tracer = Self { child, node: pid, told };
        if !said.contains("attached") {
            skip(test, &format!("strace cannot attach to a process: {said}"));
            return None;
        }
        std::thread::spawn(move || lines.for_each(drop));
        Some(tracer)
    }

    /// Lets the node go; what was seen, a line each.
    pub(crate) fn detach(mut self) -> Vec<String> {
        self.end();
        let told = fs::read(&self.told).unwrap_or_default();
        String::from_utf8_lossy(&told).lines().map(str::to_owned).collect()
    }

    fn end(&mut self) {
        // It may wait for ever for a thread of a process that died; its own death frees that.
        let freed = runs(self.node) && {
            signal(self.child.id(), "INT");
            ended(&mut self.child, 3)
        };
        if !freed {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Whether this process is there, and neither dead nor about to be.
fn runs(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // What comes after the name, which may hold anything.
    let state = status.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Sends a signal by its name.
pub(crate) fn signal(pid: u32, name: &str) {
    drop(Command::new("kill").args(["-s", name, &pid.to_string()]).stderr(Stdio::null()).status());
}

/// Whether it comes to its end in so many seconds.
pub(crate) fn ended(child: &mut Child, seconds: usize) -> bool {
    (0..20 * seconds).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        child.try_wait().unwrap().is_some()
    })
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.end();
    }
}

/// `command`, killed at its `nth` sync.
pub(crate) fn killed_at(command: &Command, nth: usize) -> Command {
    let mut traced = Command::new("strace");
    // It ends with its program when it is told to end.
    traced.args(["-f", "-qq", "-I", "2", "-o", "/dev/null", "-e", &format!("trace={SYNCS}")]);
    traced.args(["-e", &format!("inject={SYNCS}:signal=KILL:when={nth}")]);
    traced.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        traced.current_dir(directory);
    }
    traced
}

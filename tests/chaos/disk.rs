//! File systems of a test's own.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Runs a program of the system; whether it did what it should.
pub(crate) fn run(program: &str, arguments: &[&Path]) -> bool {
    let quiet = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// A file system, unmounted on drop.
pub(crate) struct Disk {
    pub(crate) place: PathBuf,
}

impl Disk {
    /// Makes one in the file `image` and mounts it; `None`, and a loud word, where that is not allowed.
    pub(crate) fn make(image: &Path, place: PathBuf, test: &str) -> Option<Self> {
        fs::File::create(image).unwrap().set_len(96 << 20).unwrap();
        let made = run("mkfs.ext4", &[Path::new("-qF"), image]);
        let disk = made.then(|| Self::mount(image, place)).flatten();
        if disk.is_none() {
            skip(test, "a file system in a file cannot be mounted here (it takes root, mkfs.ext4 and loop devices)");
        }
        disk
    }

    /// Mounts `image`; `None` where that is not allowed.
    pub(crate) fn mount(image: &Path, place: PathBuf) -> Option<Self> {
        fs::create_dir_all(&place).unwrap();
        let options = [Path::new("-o"), Path::new("loop"), image, &place];
        run("mount", &options).then_some(Self { place })
    }

    /// One in memory, of a few MiB; `None`, and a loud word, where that is not allowed.
    pub(crate) fn small(place: PathBuf, test: &str) -> Option<Self> {
        fs::create_dir_all(&place).unwrap();
        let options = ["-t", "tmpfs", "-o", "size=8m,mode=0700", "chaos"].map(Path::new);
        let disk = run("mount", &[options.as_slice(), &[&place]].concat()).then_some(Self { place });
        if disk.is_none() {
            skip(test, "no file system can be mounted here (it takes root)");
        }
        disk
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.place.join("data")
    }

    /// Takes all the room that is left.
    pub(crate) fn fill(&self) {
        let mut file = fs::File::options().create(true).append(true).open(self.place.join("filler")).unwrap();
        for piece in [64 << 10, 1 << 10, 1] {
            while file.write(&vec![b'x'; piece]).is_ok_and(|written| written > 0) {}
        }
    }

    /// Gives it back.
    pub(crate) fn clear(&self) {
        fs::remove_file(self.place.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if !run("umount", &[&self.place]) {
            run("umount", &[Path::new("-l"), &self.place]);
        }
    }
}

/// Says loudly that a test shows nothing here.
pub(crate) fn skip(test: &str, why: &str) {
    drop(writeln!(std::io::stderr(), "!! SKIPPED: {test}: {why}"));
}

//! The `hubgate` binary: hands over to [`hubgate::cli`].

use std::process::ExitCode;

/// What it gains and what it costs: docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hubgate::cli::main()
}

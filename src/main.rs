//! The `hubgate` binary: hands over to [`hubgate::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    hubgate::cli::main()
}

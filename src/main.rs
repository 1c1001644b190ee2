//! The `hubgate` binary: hands over to [`hubgate::cli`].

fn main() {}

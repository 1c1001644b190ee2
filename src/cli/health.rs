//! `hubgate health`: asks a running gateway, for containers that have no HTTP client.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use clap::Args;

use super::{Failure, load};
use crate::{
    config::Sources,
    error::{Error, Kind},
};

const TIMEOUT: Duration = Duration::from_secs(5);

const AFTER: &str = "\
Asks the address of server.listen. Exit code 0: well; 1: not well, or not reached.

Examples:
  hubgate health
  hubgate health --ready
  hubgate health --address 127.0.0.1:8080";

/// Ask a running gateway whether it is well
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Ask whether it is ready to serve, not only whether it lives
    #[arg(long)]
    ready: bool,
    /// Address and port of the gateway
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
}

pub(super) fn run(arguments: &Arguments, sources: Sources) -> Result<ExitCode, Failure> {
    let config = load(&sources.with_flag("--address", "server", "listen", arguments.address.clone()))?;
    let path = if arguments.ready { "/readyz" } else { "/healthz" };
    let address = reachable(config.server.listen);
    let status = ask(address, path)
        .map_err(|error| Error::new(Kind::Unavailable, format!("{address} does not answer")).with_source(error))?;
    if status == Some(200) {
        return Ok(ExitCode::SUCCESS);
    }
    let answered = status.map_or_else(|| "no HTTP".to_owned(), |status| format!("status {status}"));
    Err(Error::new(Kind::Unavailable, format!("{address}{path} answered {answered}")).into())
}

/// A listener on all addresses is asked on the loopback one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn ask(address: SocketAddr, path: &str) -> io::Result<Option<u16>> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut head = String::new();
    stream.take(4096).read_to_string(&mut head)?;
    Ok(head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_asked_on_loopback() {
        assert_eq!(reachable("0.0.0.0:80".parse().unwrap()).to_string(), "127.0.0.1:80");
        assert_eq!(reachable("[::]:80".parse().unwrap()).to_string(), "[::1]:80");
        assert_eq!(reachable("10.0.0.1:80".parse().unwrap()).to_string(), "10.0.0.1:80");
    }
}

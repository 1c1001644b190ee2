//! The egress guard: which hosts may be called, and which addresses a name may stand for.
//!
//! Two walls. [`Guard::check`] looks at the URL: scheme, user info, port, and the host against the element's list and
//! the operator's. [`Guard::permits`] looks at every address a name resolved to, in the resolver the connection is made
//! with, so there is no second lookup that could answer differently. Address literals never reach a resolver and are
//! checked with the URL.
//!
//! An element's list opens names only. A private address is reachable only where the operator's list names the address,
//! a network around it, or a loopback name (`localhost`).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

use crate::error::{Error, Kind};

/// Decides what may be called.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allow: Arc<[Rule]>,
}

/// One entry of an allow list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    target: Target,
    /// Only this port.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// This name.
    Name(String),
    /// The names below this one (not itself).
    Below(String),
    /// The addresses of this network; a single address is a network of one.
    Net(IpNet),
}

/// Why a call was refused: names host and reason, never path or query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The host or address.
    pub host: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Egress to `{}` is refused: {}", self.host, self.reason)
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for Error {
    #[track_caller]
    fn from(refused: Refused) -> Self {
        Self::new(Kind::Forbidden, refused.to_string()).with_source(refused)
    }
}

impl Guard {
    /// A guard with the operator's allow list: hosts, `*.host`, addresses, networks, each also with `:port`.
    ///
    /// # Errors
    /// [`Kind::BadRequest`] naming the entry that cannot be read.
    pub fn new<S: AsRef<str>>(allow: &[S]) -> Result<Self, Error> {
        let read = |entry: &S| {
            let entry = entry.as_ref();
            Rule::parse(entry).ok_or_else(|| {
                Error::bad_request(format!(
                    "`{entry}` is no egress entry: write a host, `*.host`, an address or a network, a port after `:`"
                ))
            })
        };
        Ok(Self { allow: allow.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// Whether `url` may be called by an element that lists `hosts`.
    ///
    /// # Errors
    /// [`Refused`] with the reason.
    pub fn check(&self, url: &Url, hosts: &[String]) -> Result<(), Refused> {
        let refuse = |reason| Err(Refused { host: url.host_str().unwrap_or("(no host)").to_owned(), reason });
        if !matches!(url.scheme(), "https" | "http") {
            return refuse("only https is called");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("a user name in the URL is not taken");
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return refuse("the URL has no host");
        };
        let operator = self.allow.iter().any(|rule| rule.matches(&host, port));
        if !operator {
            // An element's entry opens the standard port, or the one it names; never an address.
            let mut rules = hosts.iter().filter_map(|entry| Rule::parse(entry));
            let element = rules.any(|rule| rule.matches(&host, port) && (rule.port.is_some() || port == 443));
            if !element {
                return refuse("neither the element nor the operator's egress settings allow it");
            }
            if url.scheme() != "https" {
                return refuse("only https is called");
            }
        }
        match host {
            // Some resolvers answer for it without asking anyone; say no before that.
            Host::Domain(name) if !operator && is_loopback_name(&normal(name)) => {
                refuse("the address is not a public one")
            }
            Host::Domain(_) => Ok(()),
            Host::Ipv4(address) => self.permits("", address.into()),
            Host::Ipv6(address) => self.permits("", address.into()),
        }
    }

    /// Whether `host` may stand for `address`.
    ///
    /// # Errors
    /// [`Refused`] for an address that is not public and that the operator has not allowed.
    pub fn permits(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let allowed = || {
            self.allow.iter().any(|rule| match &rule.target {
                // A rule with a port speaks of the literal address, whose port was checked with the URL.
                Target::Net(net) => (rule.port.is_none() || host.is_empty()) && within(net, address),
                // `localhost` in the operator's list means what it says.
                Target::Name(name) | Target::Below(name) => {
                    is_loopback_name(name) && address.is_loopback() && rule.names(&normal(host))
                }
            })
        };
        if is_public(address) || allowed() {
            return Ok(());
        }
        let host = if host.is_empty() { address.to_string() } else { format!("{host} ({address})") };
        Err(Refused { host, reason: "the address is not a public one" })
    }
}

impl Rule {
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_lowercase();
        if let Ok(net) = entry.parse::<IpNet>() {
            return Some(Self { target: Target::Net(net), port: None });
        }
        if let Ok(address) = entry.parse::<IpAddr>() {
            return Some(Self { target: Target::Net(address.into()), port: None });
        }
        // `[::1]:80`, `10.0.0.1:80`, `host:80`, `[::1]`.
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (entry.as_str(), None),
        };
        if let (Ok(net), true) = (host.parse::<IpNet>(), port.is_some()) {
            return Some(Self { target: Target::Net(net), port });
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(host).parse::<IpAddr>() {
            return Some(Self { target: Target::Net(address.into()), port });
        }
        let name = host.strip_prefix("*.").unwrap_or(host);
        // The URL parser's own view of the name: Unicode folded, strange numbers seen as addresses and so refused.
        let Ok(Host::Domain(name)) = Host::parse(name) else { return None };
        let name = normal(&name);
        if name.is_empty() || name.contains('*') {
            return None;
        }
        let target = if host.starts_with("*.") { Target::Below(name) } else { Target::Name(name) };
        Some(Self { target, port })
    }

    fn matches(&self, host: &Host<&str>, port: u16) -> bool {
        if self.port.is_some_and(|own| own != port) {
            return false;
        }
        match host {
            Host::Domain(name) => self.names(&normal(name)),
            Host::Ipv4(address) => self.holds((*address).into()),
            Host::Ipv6(address) => self.holds((*address).into()),
        }
    }

    fn holds(&self, address: IpAddr) -> bool {
        matches!(&self.target, Target::Net(net) if within(net, address))
    }

    fn names(&self, name: &str) -> bool {
        match &self.target {
            Target::Name(own) => own == name,
            Target::Below(own) => {
                name.strip_suffix(own.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            Target::Net(_) => false,
        }
    }
}

/// Whether `net` holds `address`, also one that is a mapped form of an IPv4 address.
fn within(net: &IpNet, address: IpAddr) -> bool {
    net.contains(&address) || net.contains(&address.to_canonical())
}

/// A name without the trailing dot that makes it absolute.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_lowercase()
}

fn is_loopback_name(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether `address` is a public unicast address, directly.
///
/// Everything that carries an IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4, Teredo) is refused as a
/// whole: std's predicates look at the outside only.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !V4_REFUSED.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => V6_GLOBAL.contains(&address) && !V6_REFUSED.iter().any(|net| net.contains(&address)),
    }
}

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn v6(a: u16, b: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

/// IANA's special-purpose registry, and what no service lives at.
const V4_REFUSED: [Ipv4Net; 16] = [
    v4(0, 0, 0, 8),                                           // this network
    v4(10, 0, 0, 8),                                          // private
    v4(100, 64, 0, 10),                                       // carrier-grade NAT
    v4(127, 0, 0, 8),                                         // loopback
    v4(169, 254, 0, 16),                                      // link-local, metadata
    v4(172, 16, 0, 12),                                       // private
    v4(192, 0, 0, 24),                                        // protocol assignments, metadata
    v4(192, 0, 2, 24),                                        // documentation
    v4(192, 88, 99, 24),                                      // 6to4 relays
    v4(192, 168, 0, 16),                                      // private
    v4(198, 18, 0, 15),                                       // benchmarking
    v4(198, 51, 100, 24),                                     // documentation
    v4(203, 0, 113, 24),                                      // documentation
    v4(224, 0, 0, 4),                                         // multicast
    v4(240, 0, 0, 4),                                         // reserved, broadcast
    Ipv4Net::new_assert(Ipv4Addr::new(168, 63, 129, 16), 32), // a cloud's host service
];

/// Global unicast; all else (loopback, mapped, NAT64, unique and link-local, multicast) is out.
const V6_GLOBAL: Ipv6Net = v6(0x2000, 0, 3);

const V6_REFUSED: [Ipv6Net; 4] = [
    v6(0x2001, 0, 23),     // protocol assignments: Teredo, benchmarking, ORCHID
    v6(0x2001, 0xdb8, 32), // documentation
    v6(0x2002, 0, 16),     // 6to4
    v6(0x3fff, 0, 20),     // documentation
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allow: &[&str], hosts: &[&str], url: &str) -> Result<(), String> {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        Guard::new(allow).unwrap().check(&url, &hosts).map_err(|refused| refused.reason.to_owned())
    }

    /// List A of the threat model: ways to write an address that must not be called.
    const LIST_A: [&str; 40] = [
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
        "１２７.0.0.1",
        "127.0.0.1",
        "127.0.0.2",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "100.64.0.1",
        "192.0.0.192",
        "198.18.0.1",
        "192.88.99.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::1]",
        "[2002:7f00:1::]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        "[fe80::1]",
        "[febf::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[100::1]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[5f00::1]",
    ];

    #[test]
    fn refuses_list_a_even_where_the_element_names_it() {
        for host in LIST_A {
            let url = format!("https://{host}/");
            assert!(check(&[], &["*.good.test"], &url).is_err(), "{host}");
            let parsed = Url::parse(&url).unwrap();
            let name = parsed.host_str().unwrap();
            let answer = check(&[], &[name], &url);
            assert_eq!(answer, Err("the address is not a public one".to_owned()), "{host} as {name}");
        }
    }

    #[test]
    fn refuses_names_and_urls_of_list_a() {
        for url in [
            "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
            "https://LOCALHOST./",
            "https://metadata.google.internal/",
            "https://127.0.0.1.nip.io/",
            "https://good.test@127.0.0.1/",
            "https://user:pass@good.test/",
            "https://127.0.0.1#@good.test",
            "http:127.0.0.1",
            "http://good.test/",
            "https://good.test:8443/",
            "https://good.test.evil.test/",
            "https://evilgood.test/",
            "file:///etc/passwd",
            "gopher://x",
            "unix:/run/x",
            "data:text/plain,x",
        ] {
            assert!(check(&[], &["good.test", "*.good.test"], url).is_err(), "{url}");
        }
    }

    #[test]
    fn passes_public_addresses_and_their_neighbours() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn opens_what_the_element_names() {
        let hosts = ["api.good.test", "*.cdn.test", "alt.test:8443", "8.8.8.8"];
        for url in [
            "https://api.good.test/x",
            "https://API.GOOD.test./x",
            "https://a.b.cdn.test/",
            "https://alt.test:8443/",
            "https://8.8.8.8/",
        ] {
            assert_eq!(check(&[], &hosts, url), Ok(()), "{url}");
        }
        for url in ["https://good.test/", "https://cdn.test/", "https://.cdn.test/", "https://alt.test/"] {
            assert!(check(&[], &hosts, url).is_err(), "{url}");
        }
    }

    #[test]
    fn opens_what_the_operator_names() {
        for (entry, open, closed) in [
            ("127.0.0.1", "http://127.0.0.1:8080/", "http://127.0.0.2/"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080/", "http://127.0.0.1:8081/"),
            ("10.1.0.0/16", "http://10.1.2.3:9/", "http://10.2.0.1/"),
            ("10.1.0.0/16:9", "http://10.1.2.3:9/", "http://10.1.2.3/"),
            ("[::1]:80", "http://[::1]/", "http://[::1]:81/"),
            ("fd00::/8", "https://[fd12::1]/", "https://[fe80::1]/"),
            ("idp.corp.test", "http://idp.corp.test:8080/", "http://corp.test/"),
            ("*.corp.test", "https://a.corp.test/", "https://corp.test/"),
            ("localhost", "http://localhost:1234/", "http://127.0.0.1/"),
        ] {
            assert_eq!(check(&[entry], &[], open), Ok(()), "{entry} {open}");
            assert!(check(&[entry], &[], closed).is_err(), "{entry} {closed}");
        }
    }

    #[test]
    fn checks_what_a_name_stands_for() {
        let permits = |allow: &[&str], host: &str, address: &str| {
            Guard::new(allow).unwrap().permits(host, address.parse().unwrap()).is_ok()
        };
        assert!(permits(&[], "api.good.test", "93.184.216.34"));
        assert!(!permits(&[], "api.good.test", "127.0.0.1"));
        assert!(!permits(&["api.good.test"], "api.good.test", "10.0.0.1"), "a name alone lifts nothing");
        assert!(permits(&["10.0.0.0/8"], "api.good.test", "10.0.0.1"));
        assert!(!permits(&["10.0.0.1:80"], "api.good.test", "10.0.0.1"), "that entry is for the literal");
        assert!(permits(&["localhost"], "localhost", "::1"));
        assert!(!permits(&["localhost"], "evil.test", "127.0.0.1"));
        assert!(!permits(&["localhost"], "localhost", "10.0.0.1"));
    }

    #[test]
    fn names_the_entry_it_cannot_read() {
        for entry in ["", "https://x", "a b", "*", "a.*", "x:port", "*.1"] {
            let error = Guard::new(&[entry]).unwrap_err();
            assert!(error.public().contains(&format!("`{entry}`")), "{entry}");
        }
    }
}

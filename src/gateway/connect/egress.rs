//! Which hosts an instance's own URLs may name.
//!
//! A caller may move an element to another root or another authorization server, but only to hosts that the element
//! itself calls or that the operator's `egress.allow` names. The guard at the way out checks every call again, resolved
//! address included; here a wrong value is refused when it is sent, with the key it stands under.

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

use super::template;
use crate::{catalog::Element, error::Detail, instance::configuration::Values};

/// Whether the value under `key` is a URL that the gateway calls on the instance's behalf.
pub(super) fn is_called_url(element: &Element, key: &str) -> bool {
    let named = element.hosts.iter().any(|host| host.configuration == key);
    let oauth = key.starts_with("oauth.") && key != "oauth.callback.url" && key.ends_with("url");
    named || key == "base.url" || oauth
}

/// The findings about the URLs among `keys`, read from `effective`.
pub(super) fn check<'a>(
    element: &Element,
    allow: &[String],
    effective: &Values,
    keys: impl Iterator<Item = &'a str>,
) -> Vec<Detail> {
    keys.filter(|key| is_called_url(element, key))
        .filter_map(|key| {
            let text = effective.text(key)?;
            let detail = refusal(element, allow, effective, &text)?;
            Some(Detail { pointer: super::configuration_pointer(key), detail: format!("`{key}` {detail}") })
        })
        .collect()
}

fn refusal(element: &Element, allow: &[String], effective: &Values, text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return None;
    }
    let filled = match template::fill(text, effective) {
        Ok(filled) => filled,
        Err(problem) => return Some(problem),
    };
    let url = match Url::parse(&filled) {
        Ok(url) if matches!(url.scheme(), "https" | "http") && url.host().is_some() => url,
        _ => return Some("is no https URL".to_owned()),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Some("must not carry a user name or password".to_owned());
    }
    let operator = allow.iter().any(|pattern| names(pattern, &url));
    let own = url.port().is_none() && element.egress.iter().any(|pattern| names(pattern, &url));
    if operator || (own && url.scheme() == "https") {
        return None;
    }
    let host = url.host_str().unwrap_or_default();
    Some(if own {
        "must be an https URL".to_owned()
    } else {
        format!("names the host `{host}`, which neither the element nor the operator's egress.allow lists")
    })
}

/// Whether `pattern` (`host`, `*.host`, address, network, each also with `:port`) names the host of `url`.
fn names(pattern: &str, url: &Url) -> bool {
    let (pattern, port) = split_port(pattern.trim());
    if port.is_some() && port != url.port_or_known_default() {
        return false;
    }
    let bare = pattern.trim_start_matches('[').trim_end_matches(']');
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(host)) => return names_domain(pattern, host.trim_end_matches('.')),
        None => return false,
    };
    bare.parse::<IpAddr>().is_ok_and(|allowed| allowed == address)
        || bare.parse::<IpNet>().is_ok_and(|network| network.contains(&address))
}

fn names_domain(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => host.len().checked_sub(parent.len() + 1).and_then(|at| host.split_at_checked(at)).is_some_and(
            |(label, rest)| {
                !label.is_empty() && rest.strip_prefix('.').is_some_and(|rest| rest.eq_ignore_ascii_case(parent))
            },
        ),
        None => pattern.eq_ignore_ascii_case(host),
    }
}

/// `host:port` and `[v6]:port` apart; a bare v6 address or network has no port.
fn split_port(pattern: &str) -> (&str, Option<u16>) {
    let bracketed = pattern.starts_with('[');
    match pattern.rsplit_once(':') {
        Some((host, port)) if (bracketed && host.ends_with(']')) || (!bracketed && !host.contains(':')) => {
            port.parse().map_or((pattern, None), |port| (host, Some(port)))
        }
        _ => (pattern, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_hosts() {
        for (pattern, url, named) in [
            ("api.acme.example", "https://api.acme.example/x", true),
            ("API.acme.example", "https://api.acme.example", true),
            ("api.acme.example", "https://evil.example", false),
            ("api.acme.example", "https://api.acme.example.evil.example", false),
            ("*.acme.example", "https://eu.acme.example", true),
            ("*.acme.example", "https://a.b.acme.example", true),
            ("*.acme.example", "https://acme.example", false),
            ("*.acme.example", "https://evilacme.example", false),
            ("localhost:9000", "http://localhost:9000/2.0", true),
            ("localhost:9000", "http://localhost:9001", false),
            ("127.0.0.1", "http://127.0.0.1:4444", true),
            ("127.0.0.1:4444", "http://127.0.0.1:4444", true),
            ("127.0.0.1:4445", "http://127.0.0.1:4444", false),
            ("127.0.0.0/8", "http://127.9.9.9:1", true),
            ("10.0.0.0/8:80", "http://10.1.2.3", true),
            ("::1", "http://[::1]:5", true),
            ("[::1]:5", "http://[::1]:5", true),
            ("[::1]:6", "http://[::1]:5", false),
            ("fd00::/8", "http://[fd00::1]", true),
            ("0x7f.1", "http://127.0.0.1", false),
        ] {
            assert_eq!(names(pattern, &Url::parse(url).unwrap()), named, "{pattern} {url}");
        }
    }
}

//! `{configuration.key}` and `{key}` in URLs and texts, filled from an instance's configuration.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::instance::configuration::Values;

/// What stays as it is in a path segment or query value.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Fills the placeholders of a URL template.
///
/// A placeholder at the very start stands for a whole root and must hold an http(s) URL. In the host only letters,
/// digits, `-` and `.` may come from configuration, further on everything is percent-encoded: no value can reach out of
/// its place.
///
/// # Errors
/// What is wrong, to be read after the name of the key that holds the template.
pub(super) fn fill(template: &str, values: &Values) -> Result<String, String> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            return Err("has a `{` without its `}`".to_owned());
        };
        let key = key_of(name);
        let value = looked_up(key, values)?;
        if filled.is_empty() {
            if !value.starts_with("https://") && !value.starts_with("http://") {
                return Err(format!("needs an https URL in the configuration key `{key}`"));
            }
            filled.push_str(value.trim_end_matches('/'));
        } else if in_host(&filled) {
            if !value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')) {
                return Err(format!("needs a plain host name in the configuration key `{key}`"));
            }
            filled.push_str(&value);
        } else {
            filled.extend(utf8_percent_encode(&value, ENCODED));
        }
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Fills the placeholders of a text that is encoded as a whole afterwards (a scope, a parameter).
///
/// # Errors
/// As [`fill`].
pub(super) fn fill_text(template: &str, values: &Values) -> Result<String, String> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            return Err("has a `{` without its `}`".to_owned());
        };
        filled.push_str(&looked_up(key_of(name), values)?);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The configuration key that the whole root of a URL comes from.
pub(super) fn root_key(template: &str) -> Option<&str> {
    template.strip_prefix('{')?.split_once('}').map(|(name, _)| key_of(name))
}

fn key_of(name: &str) -> &str {
    ["configuration.", "config."].into_iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

fn looked_up(key: &str, values: &Values) -> Result<String, String> {
    let value = values.text(key).filter(|value| !value.trim().is_empty());
    value.ok_or_else(|| format!("needs the configuration key `{key}`"))
}

/// Whether what comes next still belongs to the host.
fn in_host(so_far: &str) -> bool {
    so_far.split_once("://").is_none_or(|(_, rest)| !rest.contains(['/', '?', '#', '\\']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(value: serde_json::Value) -> Values {
        Values { clear: value.as_object().unwrap().clone(), ..Values::default() }
    }

    #[test]
    fn fills_each_place_by_its_own_rule() {
        let values = values(json!({
            "subdomain": "eu1", "tenant": "a/../b c", "base.url": "https://x.example/", "evil": "evil.example/#", "n": 7
        }));
        for (template, filled) in [
            ("https://api.example/x", "https://api.example/x"),
            ("https://{subdomain}.example/x", "https://eu1.example/x"),
            ("https://{configuration.subdomain}.example/{tenant}/{n}", "https://eu1.example/a%2F..%2Fb%20c/7"),
            ("{base.url}/oauth", "https://x.example/oauth"),
            ("{config.base.url}/oauth", "https://x.example/oauth"),
        ] {
            assert_eq!(fill(template, &values).unwrap(), filled);
        }
        for template in ["https://{evil}.example", "{subdomain}/x", "https://{missing}.example", "https://{open"] {
            assert!(fill(template, &values).is_err(), "{template}");
        }
    }

    #[test]
    fn a_text_takes_values_as_they_are() {
        let values = values(json!({"org": "acme", "resource": "https://acme.example/"}));
        assert_eq!(fill_text("{resource}.default offline", &values).unwrap(), "https://acme.example/.default offline");
        assert_eq!(fill_text("read write", &values).unwrap(), "read write");
        assert!(fill_text("{missing}", &values).is_err());
        assert_eq!((root_key("{configuration.org}/x"), root_key("https://{org}")), (Some("org"), None));
    }
}

//! Which hosts an instance's own URLs may name.
//!
//! A caller may move an element to another root or another authorization server, but only to hosts that the element
//! itself calls or that the operator's `egress.allow` names. The guard at the way out checks every call again, resolved
//! address included; here a wrong value is refused when it is sent, with the key it stands under.

use url::Url;

use super::template;
use crate::{catalog::Identity, error::Detail, instance::configuration::Values, upstream::guard::Guard};

/// Whether the value under `key` is a URL that the gateway calls on the instance's behalf.
pub(super) fn is_called_url(element: &Identity, key: &str) -> bool {
    let named = element.hosts.iter().any(|host| host.configuration == key);
    let oauth = key.starts_with("oauth.") && key != "oauth.callback.url" && key.ends_with("url");
    let root =
        || element.authentication.all().flat_map(|(_, one)| one.urls()).any(|url| template::root_key(url) == Some(key));
    named || key == "base.url" || oauth || root()
}

/// The findings about the URLs among `keys`, read from `effective`.
pub(super) fn check<'a>(
    element: &Identity,
    guard: &Guard,
    effective: &Values,
    keys: impl Iterator<Item = &'a str>,
) -> Vec<Detail> {
    keys.filter(|key| is_called_url(element, key))
        .filter_map(|key| {
            let text = effective.text(key).filter(|text| !text.trim().is_empty())?;
            let problem = refusal(element, guard, effective, &text)?;
            Some(Detail { pointer: super::configuration_pointer(key), detail: format!("`{key}` {problem}") })
        })
        .collect()
}

fn refusal(element: &Identity, guard: &Guard, effective: &Values, text: &str) -> Option<String> {
    let filled = match template::fill(text, effective) {
        Ok(filled) => filled,
        Err(problem) => return Some(problem),
    };
    match Url::parse(&filled) {
        Ok(url) => guard.check(&url, &element.egress).err().map(|refused| format!("cannot be used. {refused}")),
        Err(_) => Some("is no https URL".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    #[test]
    fn finds_the_urls_that_would_be_called() {
        let text = r#"{
            "id": 900001, "key": "acme", "name": "Acme", "description": "d", "hub": "documents", "unsupported": {"*": "nothing is called here"},
            "configuration": [{"key": "accounts.server"}],
            "authentication": {"type": "oauth2", "authorizeUrl": "https://a.acme.example", "tokenUrl": "{accounts.server}/t"},
            "egress": ["*.acme.example"], "unsupported": {"*": "nothing is called here"},
            "hosts": {"api": "https://api.acme.example", "content": "https://c.acme.example"}
        }"#;
        let mut files = catalog::source::Files::built_in();
        files.0.retain(|path, _| path.starts_with("hubs/"));
        files.0.insert("elements/acme/element.json".to_owned(), text.to_owned());
        let element = catalog::load::load(&files).unwrap().element("acme").unwrap().unwrap().clone();
        for key in [
            "base.url",
            "content.url",
            "oauth.token.url",
            "oauth.token.refresh_url",
            "oauth.authorization.url",
            "accounts.server",
        ] {
            assert!(is_called_url(&element, key), "{key}");
        }
        for key in ["oauth.callback.url", "event.notification.callback.url", "site.url", "oauth.user.token"] {
            assert!(!is_called_url(&element, key), "{key}");
        }
        let values = |text: &str| {
            let mut values = Values::default();
            values.put(&[], "base.url", text.into());
            values.put(&[], "subdomain", "eu".into());
            values
        };
        let found = |text: &str| check(&element, &Guard::default(), &values(text), ["base.url"].into_iter()).len();
        assert_eq!(found("https://eu.acme.example/x"), 0);
        assert_eq!(found("https://{subdomain}.acme.example/x"), 0);
        assert_eq!(found(" "), 0);
        for text in
            ["https://{nothing}.acme.example", "https://evil.example", "http://eu.acme.example", "eu.acme.example"]
        {
            assert_eq!(found(text), 1, "{text}");
        }
    }
}

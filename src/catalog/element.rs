//! What one element is: identity, configuration, authentication, hosts. Its operations are in [`super::operation`].

use serde_json::{Map, Value};

use super::{
    authentication::{Authentication, Authentications},
    call::compiled,
    read::Node,
};
use crate::mapping::TextTemplate;

/// One configuration entry of an element, as the contract's catalog lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigurationEntry {
    /// The key callers use in `configuration`.
    pub key: String,
    /// A short name for people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The contract's type word: `TEXTFIELD_128`, `PASSWORD`, `BOOLEAN`, `COMBO`, …
    pub kind: String,
    /// Whether an instance cannot be created without it (a default satisfies it).
    pub required: bool,
    /// The value when the caller sends none.
    pub default: Option<String>,
    /// Whether it is sealed at rest and masked in answers.
    pub secret: bool,
    /// Whether consoles hide it.
    pub hide_from_console: bool,
    /// The allowed values of a `COMBO`, each with its description.
    pub options: Vec<(String, String)>,
    /// The authentications it belongs to, by their words; empty for all.
    pub choices: Vec<String>,
}

/// A named root of provider URLs.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSpec {
    /// Its name in calls; `api` is the default one.
    pub name: String,
    /// The URL, with `{configuration.key}` placeholders where it depends on the instance.
    pub url: String,
    /// The URL, ready to be filled in.
    pub template: TextTemplate,
    /// The configuration key that overrides it.
    pub configuration: String,
    /// A path that is always added to the overriding value.
    pub path: String,
}

/// The descriptive part of an element.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The catalog number.
    pub id: i64,
    /// The key in paths and bodies.
    pub key: String,
    /// The name for people.
    pub name: String,
    /// What it is.
    pub description: String,
    /// The hub it belongs to.
    pub hub: String,
    /// All hubs it is served under, `hub` first.
    pub hubs: Vec<String>,
    /// The contract's image path.
    pub image: String,
    /// Its configuration entries.
    pub configuration: Vec<ConfigurationEntry>,
    /// How its calls are authenticated.
    pub authentication: Authentications,
    /// Roots of its URLs.
    pub hosts: Vec<HostSpec>,
    /// Hosts it may call: exact names or `*.example.com`.
    pub egress: std::sync::Arc<[String]>,
    /// Further catalog fields of the contract, as they stand in the file.
    pub facts: Map<String, Value>,
    /// Published quotas, as they stand in the file.
    pub limits: Map<String, Value>,
    /// How an app is registered at the provider and an account connected: steps for people.
    pub setup: Vec<String>,
    /// What is particular about this element: sentences for people.
    pub quirks: Vec<String>,
}

impl Identity {
    /// Reads the descriptive part of `element.json`, in the folder `folder`.
    ///
    /// What is wrong or missing is noted and stands empty here, so that the rest of the element is read too and all its
    /// problems are told at once.
    pub(super) fn read(node: &Node<'_>, folder: &str) -> Self {
        let key = node.require_text("key").unwrap_or_else(|| folder.to_owned());
        let hub = node.require_text("hub").unwrap_or_default();
        let mut hubs = vec![hub.clone()];
        hubs.extend(node.texts("alsoServedUnder"));
        let hosts = node.require("hosts").map_or_else(Vec::new, |hosts| read_hosts(&hosts));
        let mut configuration: Vec<ConfigurationEntry> = node
            .get("configuration")
            .map_or_else(Vec::new, |list| list.items().iter().filter_map(read_entry).collect());
        let authentication =
            node.require("authentication").and_then(|place| Authentications::read(&place, &mut configuration));
        Self {
            id: node.require("id").and_then(|id| id.number()).map_or(0, |id| i64::try_from(id).unwrap_or(i64::MAX)),
            name: node.require_text("name").unwrap_or_default(),
            description: node.require_text("description").unwrap_or_default(),
            image: node.opt_text("image").unwrap_or_else(|| format!("elements/provider_{key}.png")),
            configuration,
            authentication: authentication.unwrap_or_else(|| Authentication::None.into()),
            egress: node.texts("egress").into(),
            facts: node.get("facts").and_then(|facts| facts.map().cloned()).unwrap_or_default(),
            setup: node.texts("setup"),
            quirks: node.texts("quirks"),
            limits: node.get("limits").and_then(|limits| limits.map().cloned()).unwrap_or_default(),
            hosts,
            hubs,
            hub,
            key,
        }
    }

    /// The configuration entry with this key.
    pub fn entry(&self, key: &str) -> Option<&ConfigurationEntry> {
        self.configuration.iter().find(|entry| entry.key == key)
    }
}

fn read_hosts(node: &Node<'_>) -> Vec<HostSpec> {
    let mut hosts = Vec::new();
    for (name, host) in node.members() {
        let url = if host.value.is_string() {
            host.text().map(str::to_owned)
        } else {
            host.object(&["url", "configuration", "path"]);
            host.require_text("url")
        };
        let Some(url) = url else { continue };
        let allowed = ["https://", "{", "http://127.0.0.1", "http://localhost", "http://[::1]"];
        if !allowed.iter().any(|start| url.starts_with(start)) {
            host.problem_hint(
                format!("`{url}` is not an https URL"),
                "begin with https:// or a {configuration} placeholder",
            );
        }
        let url = url.trim_end_matches('/').to_owned();
        let Some(template) = compiled(&host, || TextTemplate::compile(&url)) else { continue };
        let default_key = if name == "api" { "base.url".to_owned() } else { format!("{name}.url") };
        hosts.push(HostSpec {
            name: name.to_owned(),
            url,
            template,
            configuration: host.opt_text_of_object("configuration").unwrap_or(default_key),
            path: host.opt_text_of_object("path").unwrap_or_default(),
        });
    }
    if !hosts.iter().any(|host| host.name == "api") {
        node.problem_hint("no host `api`", "name the root of most calls `api`");
    }
    hosts
}

impl Node<'_> {
    fn opt_text_of_object(&self, key: &str) -> Option<String> {
        if self.value.is_object() { self.opt_text(key) } else { None }
    }
}

fn read_entry(node: &Node<'_>) -> Option<ConfigurationEntry> {
    node.object(&[
        "key",
        "name",
        "description",
        "type",
        "required",
        "default",
        "secret",
        "hideFromConsole",
        "options",
        "for",
    ])?;
    let key = node.require_text("key")?;
    let options = node.get("options").map_or_else(Vec::new, |options| {
        options
            .items()
            .iter()
            .filter_map(|option| {
                option.object(&["value", "description"])?;
                Some((option.require_text("value")?, option.opt_text("description").unwrap_or_default()))
            })
            .collect()
    });
    Some(ConfigurationEntry {
        name: node.opt_text("name").unwrap_or_else(|| key.clone()),
        description: node.opt_text("description").unwrap_or_default(),
        kind: node.opt_text("type").unwrap_or_else(|| "TEXTFIELD_128".to_owned()),
        required: node.flag("required", false),
        default: node.opt_text("default"),
        secret: node.flag("secret", false),
        hide_from_console: node.flag("hideFromConsole", false),
        choices: node.texts("for"),
        options,
        key,
    })
}

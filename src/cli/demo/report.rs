//! What the demo prints once everything is ready.

use std::{io, net::SocketAddr};

use sandbox::Running;
use serde_json::{Map, Value, json};

use super::Connected;
use crate::{
    app::App,
    catalog::hub::{AnswerKind, HubOperation},
    cli::say,
};

pub(super) struct Report<'a> {
    pub(super) base_url: &'a str,
    pub(super) user_secret: &'a str,
    pub(super) organization_secret: &'a str,
    pub(super) instances: &'a [Connected],
    pub(super) sandboxes: &'a [Running],
    pub(super) metrics: Option<SocketAddr>,
}

impl Report<'_> {
    pub(super) fn print(&self, app: &App, json: bool) -> io::Result<()> {
        if json { say(self.json()) } else { say(self.text(app)) }
    }

    fn json(&self) -> Value {
        let instances: Map<String, Value> = self
            .instances
            .iter()
            .map(|instance| (instance.key.clone(), json!({"id": instance.id, "token": instance.token})))
            .collect();
        let sandboxes: Map<String, Value> = self
            .sandboxes
            .iter()
            .flat_map(|sandbox| sandbox.elements.iter().map(|key| ((*key).to_owned(), json!(sandbox.urls))))
            .collect();
        json!({
            "baseUrl": self.base_url,
            "userSecret": self.user_secret,
            "organizationSecret": self.organization_secret,
            "instances": instances,
            "sandboxes": sandboxes,
        })
    }

    fn text(&self, app: &App) -> String {
        let Self { base_url, user_secret, organization_secret, .. } = self;
        let mut lines = vec![
            format!("hubgate demo, ready at {base_url}"),
            String::new(),
            format!("  user secret          {user_secret}"),
            format!("  organization secret  {organization_secret}"),
            String::new(),
        ];
        let width = self.instances.iter().map(|instance| instance.key.len()).max().unwrap_or_default();
        for Connected { key, id, token } in self.instances {
            lines.push(format!("  {key:width$}  instance {id}, token {token}"));
        }
        lines.push(String::new());
        for sandbox in self.sandboxes {
            lines.push(format!(
                "  {:width$}  imitated at {}, controlled at {}",
                sandbox.elements.join(", "),
                sandbox.url("api"),
                sandbox.url("control")
            ));
        }
        if let Some(metrics) = self.metrics {
            lines.extend([String::new(), format!("  metrics at http://{metrics}/metrics")]);
        }
        lines.extend([String::new(), "Try:".to_owned(), String::new()]);
        for Connected { key, token, .. } in self.instances {
            let path = first_list(app, key);
            lines.extend(path.map(|path| {
                format!("  curl -H 'Authorization: User {user_secret}, Element {token}' '{base_url}{path}'")
            }));
        }
        lines.extend([String::new(), "Ctrl-C ends it.".to_owned()]);
        lines.join("\n")
    }
}

/// The path of a list that this element can give without being told more than where.
fn first_list(app: &App, key: &str) -> Option<String> {
    let catalog = app.catalog.load();
    let element = catalog.element(key)?.ok()?;
    let hub = catalog.hub(&element.hub)?;
    let is_plain = |operation: &&std::sync::Arc<HubOperation>| {
        operation.is_read()
            && !operation.native
            && matches!(operation.answer, AnswerKind::List(_))
            && element.operation(&operation.id()).is_some()
            && operation.parameters.iter().all(|parameter| !parameter.required || parameter.name == "path")
    };
    hub.operations().filter(is_plain).find_map(|operation| {
        let path = operation.paths.iter().find(|path| !path.contains('{'))?;
        let target = if operation.target.is_some() { "?path=/" } else { "" };
        Some(format!("/hubs/{}/{}{target}", hub.key, path.trim_start_matches('/')))
    })
}

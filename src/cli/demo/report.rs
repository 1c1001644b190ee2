//! What the demo prints once everything is ready.

use std::{
    fmt::Write,
    io,
    net::SocketAddr,
};

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
        let sandboxes: Map<String, Value> =
            self.sandboxes.iter().map(|sandbox| (sandbox.key.to_owned(), json!(sandbox.urls))).collect();
        json!({
            "baseUrl": self.base_url,
            "userSecret": self.user_secret,
            "organizationSecret": self.organization_secret,
            "instances": instances,
            "sandboxes": sandboxes,
        })
    }

    fn text(&self, app: &App) -> String {
        let mut text = format!(
            "hubgate demo, ready at {}\n\n  user secret          {}\n  organization secret  {}\n\n",
            self.base_url, self.user_secret, self.organization_secret
        );
        let width = self.instances.iter().map(|instance| instance.key.len()).max().unwrap_or_default();
        for Connected { key, id, token } in self.instances {
            // Writing into a String cannot fail.
            drop(writeln!(text, "  {key:width$}  instance {id}, token {token}"));
        }
        if let Some(metrics) = self.metrics {
            drop(write!(text, "\n  metrics at http://{metrics}/metrics\n"));
        }
        text.push_str("\nTry:\n\n");
        for instance in self.instances {
            if let Some(path) = first_list(app, &instance.key) {
                drop(writeln!(
                    text,
                    "  curl -H 'Authorization: User {}, Element {}' '{}{path}'",
                    self.user_secret, instance.token, self.base_url
                ));
            }
        }
        text.push_str("\nCtrl-C ends it.");
        text
    }
}

/// The path of a list that this element can give without being told more than where.
fn first_list(app: &App, key: &str) -> Option<String> {
    let catalog = app.catalog.load();
    let element = catalog.element(key)?;
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

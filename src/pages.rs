//! Pages about elements for people, in Markdown, made of the mapping files and nothing else.

use std::{fmt::Write as _, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    catalog::{
        Catalog, Element, Hub, Refused,
        hub::{ANY_PARENT, Resource},
    },
    provider,
};

/// All pages: file names and texts; `README.md` is the index.
///
/// # Errors
/// When the mapping files of an element have a fault.
pub fn pages(catalog: &Catalog) -> Result<Vec<(String, String)>, &Refused> {
    let elements: Vec<&Arc<Element>> = catalog.elements().collect::<Result<_, _>>()?;
    let mut pages = vec![("README.md".to_owned(), index(catalog, &elements))];
    for element in elements {
        if let Some(hub) = catalog.hub(&element.hub) {
            pages.push((format!("{}.md", element.key), page(element, hub)));
        }
    }
    Ok(pages)
}

const MADE: &str = "<!-- Made by `hubgate pages`; the mapping files say what stands here. -->\n\n";

/// The index: by hub, who does what.
fn index(catalog: &Catalog, all: &[&Arc<Element>]) -> String {
    let mut text =
        format!("{MADE}# Elements\n\nWhat each element can do, made of its mapping files. A page tells more.\n");
    for hub in catalog.hubs() {
        let elements: Vec<&Element> =
            all.iter().copied().filter(|element| element.hub == hub.key).map(AsRef::as_ref).collect();
        if elements.is_empty() {
            continue;
        }
        line(&mut text, &format!("\n## {}\n", hub.name));
        let titles: Vec<String> =
            elements.iter().map(|element| format!("[{}]({}.md)", element.key, element.key)).collect();
        row(&mut text, std::iter::once("operation".to_owned()).chain(titles));
        row(&mut text, std::iter::repeat_n("---".to_owned(), elements.len() + 1));
        for operation in hub.operations() {
            let has: Vec<bool> = elements.iter().map(|element| element.operation(&operation.id()).is_some()).collect();
            if !has.contains(&true) {
                continue;
            }
            let cells = has.iter().map(|has| if *has { "✓".to_owned() } else { String::new() });
            row(&mut text, std::iter::once(format!("`{}`", operation.id())).chain(cells));
        }
    }
    text
}

/// The page of one element.
fn page(element: &Element, hub: &Hub) -> String {
    let mut text = format!("{MADE}# {}\n\n{}.\n", element.name, element.description.trim_end_matches('.'));
    line(&mut text, &format!("\n- key `{}`, number {}", element.key, element.id));
    line(&mut text, &format!("- hub `{}`{}", element.hub, further(&element.hubs)));
    let ways: Vec<String> = element.authentication.all().map(|(word, _)| format!("`{word}`")).collect();
    line(&mut text, &format!("- authentication {}", ways.join(" or ")));
    let hosts: Vec<String> = element.hosts.iter().map(|host| format!("`{}`", host.url)).collect();
    line(&mut text, &format!("- calls {}", hosts.join(", ")));
    list(&mut text, "Connecting", &element.setup, true);
    configuration(&mut text, element);
    list(&mut text, "What is particular", &element.quirks, false);
    limits(&mut text, &element.limits);
    let matrix = provider::capabilities(element, hub);
    line(&mut text, "\n## What it can do");
    for resource in hub.resources.values() {
        if let Some(told) = matrix.get(&resource.name) {
            describe(&mut text, element, resource, told);
        }
    }
    text
}

fn further(hubs: &[String]) -> String {
    let others: Vec<String> = hubs.iter().skip(1).map(|hub| format!("`{hub}`")).collect();
    if others.is_empty() { String::new() } else { format!(", also served under {}", others.join(", ")) }
}

fn list(text: &mut String, title: &str, items: &[String], numbered: bool) {
    if items.is_empty() {
        return;
    }
    line(text, &format!("\n## {title}\n"));
    for (item, number) in items.iter().zip(1..) {
        line(text, &if numbered { format!("{number}. {item}") } else { format!("- {item}") });
    }
}

fn configuration(text: &mut String, element: &Element) {
    line(text, "\n## Configuration\n");
    if element.configuration.is_empty() {
        line(text, "None.");
        return;
    }
    row(text, ["key", "", "what it is"].map(str::to_owned));
    row(text, ["---"; 3].map(str::to_owned));
    for entry in &element.configuration {
        let mut remarks = Vec::new();
        if entry.required {
            remarks.push("required".to_owned());
        }
        if entry.secret {
            remarks.push("secret".to_owned());
        }
        if let Some(default) = entry.default.as_ref().filter(|_| !entry.secret) {
            remarks.push(format!("default `{default}`"));
        }
        if !entry.choices.is_empty() {
            remarks.push(format!("for `{}`", entry.choices.join("`, `")));
        }
        row(text, [format!("`{}`", entry.key), remarks.join(", "), cell(&entry.description)]);
    }
}

fn limits(text: &mut String, limits: &Map<String, Value>) {
    if limits.is_empty() {
        return;
    }
    line(text, "\n## Limits of the provider\n");
    for (name, value) in limits {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        line(text, &format!("- {name}: {value}"));
    }
}

/// Below which parents there are such records.
fn parents(text: &mut String, told: &Value) {
    let Some(parents) = told.get("parents").and_then(Value::as_object).filter(|parents| !parents.is_empty()) else {
        return;
    };
    let shown = |parent: &str| if parent == ANY_PARENT { "any object".to_owned() } else { format!("`{parent}`") };
    let has: Vec<String> = parents
        .iter()
        .filter(|(_, told)| told.get("supported") == Some(&Value::Bool(true)))
        .map(|(parent, _)| shown(parent))
        .collect();
    if !has.is_empty() {
        line(text, &format!("\nAlso below a record of {}.", has.join(", ")));
    }
    for (parent, told) in parents {
        if let Some(why) = told.get("reason").and_then(Value::as_str) {
            line(text, &format!("\nNot below a record of {}: {why}.", shown(parent)));
        }
        for (operation, told) in told.get("operations").and_then(Value::as_object).into_iter().flatten() {
            let why = told.get("reason").and_then(Value::as_str).unwrap_or_default();
            line(text, &format!("\n`{operation}` is not supported below a record of {}: {why}.", shown(parent)));
        }
    }
}

/// What a resource's part of the capability matrix says.
fn describe(text: &mut String, element: &Element, resource: &Resource, told: &Value) {
    let lacks: Vec<(&str, &str)> = resource
        .operations
        .iter()
        .filter(|operation| element.operation(&operation.id()).is_none())
        .map(|operation| (operation.name.as_str(), element.unsupported.reason(operation).unwrap_or("not offered")))
        .collect();
    line(text, &format!("\n### {}\n", resource.name));
    let does: Vec<String> = resource
        .operations
        .iter()
        .filter(|operation| element.operation(&operation.id()).is_some())
        .map(|operation| format!("`{}`", operation.name))
        .collect();
    if does.is_empty() {
        let reasons: std::collections::BTreeSet<&str> = lacks.iter().map(|(_, why)| *why).collect();
        line(text, &format!("Not supported: {}.", reasons.into_iter().collect::<Vec<_>>().join("; ")));
        return;
    }
    line(text, &does.join(", "));
    for (name, why) in &lacks {
        line(text, &format!("\n`{name}` is not supported: {why}."));
    }
    for (name, operation) in told.get("operations").and_then(Value::as_object).into_iter().flatten() {
        for (what, why) in operation.get("refuses").and_then(Value::as_object).into_iter().flatten() {
            line(text, &format!("\n`{name}` refuses `{what}`: {}.", why.as_str().unwrap_or_default()));
        }
    }
    parents(text, told);
    let Some(fields) = told.get("fields").and_then(Value::as_object).filter(|fields| !fields.is_empty()) else {
        return;
    };
    text.push('\n');
    row(
        text,
        ["field", "read", "create", "update", "`where` by the provider", "`where` by the gateway", "`orderBy`"]
            .map(str::to_owned),
    );
    row(text, ["---"; 7].map(str::to_owned));
    for (name, field) in fields {
        if let Some(why) = field.get("reason").and_then(Value::as_str) {
            let mut cells = vec![format!("`{name}`"), format!("not supported: {}", cell(why))];
            cells.resize(7, String::new());
            row(text, cells);
            continue;
        }
        let mark = |member: &str| if field.get(member) == Some(&Value::Bool(true)) { "✓" } else { "" }.to_owned();
        let operators = |by: &str| {
            let found = field.get("where").and_then(|by_whom| by_whom.get(by)).and_then(Value::as_array);
            match found {
                Some(all) if all.len() == 12 => "all".to_owned(),
                Some(some) => {
                    some.iter().filter_map(Value::as_str).map(|one| format!("`{one}`")).collect::<Vec<_>>().join(" ")
                }
                None => String::new(),
            }
        };
        let order = field.get("orderBy").and_then(Value::as_str).unwrap_or_default().to_owned();
        row(
            text,
            [
                format!("`{name}`"),
                mark("read"),
                mark("create"),
                mark("update"),
                operators("provider"),
                operators("gateway"),
                order,
            ],
        );
    }
}

/// A text in a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn row(text: &mut String, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().collect();
    line(text, &format!("| {} |", cells.join(" | ")));
}

fn line(text: &mut String, line: &str) {
    // Writing to a text cannot fail.
    let _ignored = writeln!(text, "{line}");
}

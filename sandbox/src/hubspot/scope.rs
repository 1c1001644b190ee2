//! What a token may do.

use serde_json::json;

use super::{failure::Failure, object::Object};

/// Everything an app can ask for here.
pub(super) const ALL: &str = "oauth crm.objects.contacts.read crm.objects.contacts.write crm.objects.companies.read \
    crm.objects.companies.write crm.objects.deals.read crm.objects.deals.write crm.objects.leads.read crm.objects.leads.write \
    crm.objects.custom.read crm.objects.custom.write crm.objects.owners.read crm.schemas.contacts.read crm.schemas.contacts.write \
    crm.schemas.companies.read crm.schemas.companies.write crm.schemas.deals.read crm.schemas.deals.write crm.schemas.custom.read \
    crm.schemas.custom.write crm.lists.read crm.lists.write tickets sales-email-read";

fn verb(write: bool) -> &'static str {
    if write { "write" } else { "read" }
}

/// The scopes one of which a call on records of a type needs.
pub(super) fn object(object: &Object, write: bool) -> Vec<String> {
    match object.name {
        "contacts" | "companies" | "deals" | "leads" => vec![format!("crm.objects.{}.{}", object.name, verb(write))],
        "tickets" => vec!["tickets".to_owned()],
        "emails" if !write => vec!["sales-email-read".to_owned()],
        // Activities go with contacts.
        "emails" | "tasks" | "notes" | "calls" | "meetings" => vec![format!("crm.objects.contacts.{}", verb(write))],
        _ => vec![format!("crm.objects.custom.{}", verb(write))],
    }
}

/// The scopes one of which a call on the properties of a type needs.
pub(super) fn schema(object: &Object, write: bool) -> Vec<String> {
    let mut scopes = match object.name {
        "contacts" | "companies" | "deals" => vec![format!("crm.schemas.{}.{}", object.name, verb(write))],
        _ if object.id.starts_with("2-") => vec![format!("crm.schemas.custom.{}", verb(write))],
        _ => Vec::new(),
    };
    if scopes.is_empty() || !write {
        scopes.extend(self::object(object, write));
    }
    scopes
}

/// Refuses a token without any of the scopes.
pub(super) fn need(granted: &str, wanted: &[String]) -> Result<(), Failure> {
    if granted.split_whitespace().any(|scope| wanted.iter().any(|wanted| wanted == scope)) {
        return Ok(());
    }
    let message = "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: \
                   https://developers.hubspot.com/scopes.";
    let errors = json!([{
        "message": "One or more of the following scopes are required.",
        "context": {"requiredGranularScopes": wanted},
    }]);
    Err(Failure::new(403, "MISSING_SCOPES", message).with("errors", errors))
}

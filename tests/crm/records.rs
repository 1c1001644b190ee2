//! Records of every resource: the same steps with the same expectations on both providers.

use hubgate::{error::Kind, provider::Outcome};
use serde_json::{Value, json};

use super::support::{Ask, Connected, soon, told};

const ELEMENTS: [&str; 2] = ["sfdc", "hubspot"];

fn id(record: &Value) -> String {
    record["id"].as_str().unwrap_or_else(|| panic!("no id: {record}")).to_owned()
}

fn contact() -> Value {
    json!({
        "firstName": "Ada", "lastName": "Byron", "salutation": "Ms.", "email": "ada.byron@analytical.example", "phone": "+44 20 1",
        "mobilePhone": "+44 77 2", "fax": "+44 20 3", "title": "Countess", "department": "Engines", "description": "Writes notes",
        "birthdate": "1815-12-10",
        "mailingAddress": {"street": "12 St James's Square", "city": "London", "state": "Greater London", "postalCode": "SW1Y", "country": "United Kingdom"},
    })
}

#[tokio::test]
async fn one_body_makes_the_same_contact_on_either_provider() {
    for key in ELEMENTS {
        let hub = Connected::new(key).await;
        let made = hub.record(Ask::new("contacts.create").body(contact())).await;
        let read = hub.record(Ask::new("contacts.get").id(&id(&made))).await;
        assert_eq!(made, read, "{key}");
        for (name, value) in contact().as_object().unwrap() {
            assert_eq!(&read[name], value, "{key}: {name}");
        }
        for stamp in ["createdDate", "modifiedDate"] {
            assert!(read[stamp].as_str().unwrap().ends_with('Z'), "{key}: {read}");
        }
        assert!(read.get("raw").is_none() && read.get("customFields").is_none(), "{key}: {read}");

        // Sent back as it was read, it stays; changed and cleared, it changes.
        let same = hub.record(Ask::new("contacts.update").id(&id(&made)).body(read.clone())).await;
        assert_eq!(same["lastName"], "Byron", "{key}");
        let changes = json!({"lastName": "King", "phone": null, "mailingAddress": {"city": "Ockham"}});
        let changed = hub.record(Ask::new("contacts.update").id(&id(&made)).body(changes)).await;
        assert_eq!((&changed["lastName"], &changed["firstName"]), (&json!("King"), &json!("Ada")), "{key}");
        assert!(changed.get("phone").is_none(), "{key}: {changed}");
        let address = json!({"street": "12 St James's Square", "city": "Ockham", "state": "Greater London", "postalCode": "SW1Y", "country": "United Kingdom"});
        assert_eq!(changed["mailingAddress"], address, "{key}");

        hub.ask(Ask::new("contacts.delete").id(&id(&made))).await;
        let gone = hub.try_ask(Ask::new("contacts.get").id(&id(&made))).await.err().unwrap();
        assert_eq!(gone.kind(), Kind::NotFound, "{key}: {}", told(&gone));
        for nobody in ["0", "-1"] {
            let missing = hub.try_ask(Ask::new("contacts.get").id(nobody)).await.err().unwrap();
            assert_eq!(missing.kind(), Kind::NotFound, "{key}: {}", told(&missing));
            let patched = hub.try_ask(Ask::new("contacts.update").id(nobody).body(json!({"lastName": "x"}))).await;
            assert_eq!(patched.err().unwrap().kind(), Kind::NotFound, "{key}");
        }
    }
}

#[tokio::test]
async fn every_resource_lives_a_whole_life() {
    for key in ELEMENTS {
        let hub = Connected::new(key).await;
        let (stage, later) =
            if key == "sfdc" { ("Prospecting", "Closed Won") } else { ("qualifiedtobuy", "closedwon") };
        let account = hub.record(Ask::new("accounts.create").body(json!({"name": "Analytical Engines", "numberOfEmployees": 12, "annualRevenue": 99.5, "billingAddress": {"city": "London"}}))).await;
        assert_eq!((&account["numberOfEmployees"], &account["annualRevenue"]), (&json!(12), &json!(99.5)), "{key}");
        let mut note = json!({"body": "Likes cards"});
        if key == "sfdc" {
            note["title"] = json!("Cards");
            note["parentId"] = account["id"].clone();
        }
        let lives = [
            (
                "leads",
                json!({"lastName": "Babbage", "company": "Difference Ltd", "email": "cb@difference.example"}),
                json!({"title": "Founder"}),
            ),
            (
                "opportunities",
                json!({"name": "Engine No. 2", "stage": stage, "closeDate": "2030-06-30", "amount": 17000.25, "accountId": account["id"]}),
                json!({"stage": later}),
            ),
            (
                "activities",
                json!({"subject": "Demonstration", "startDate": "2030-01-02T10:00:00Z", "endDate": "2030-01-02T11:00:00Z", "location": "Dorset Street"}),
                json!({"location": "Ockham"}),
            ),
            (
                "tasks",
                json!({"subject": "Punch cards", "status": "inProgress", "priority": "high", "dueDate": "2030-01-03"}),
                json!({"status": "completed", "priority": "normal"}),
            ),
            ("notes", note, json!({"body": "Likes looms"})),
        ];
        for (resource, body, changes) in lives {
            let name = |verb: &str| Ask::new(&format!("{resource}.{verb}"));
            let made = hub.record(name("create").body(body.clone())).await;
            let read = hub.record(name("get").id(&id(&made))).await;
            assert_eq!(made, read, "{key} {resource}");
            for (field, value) in body.as_object().unwrap() {
                assert_eq!(&read[field], value, "{key} {resource}: {field}");
            }
            let changed = hub.record(name("update").id(&id(&made)).body(changes.clone())).await;
            for (field, value) in changes.as_object().unwrap() {
                assert_eq!(&changed[field], value, "{key} {resource}: {field}");
            }
            let listed = hub.list(name("list")).await;
            assert!(listed.iter().any(|item| item["id"] == made["id"]), "{key} {resource}: {listed:?}");
            let found = hub.list(name("list").filter(&format!("id = '{}'", id(&made)))).await;
            assert_eq!(found.len(), 1, "{key} {resource}");
            hub.ask(name("delete").id(&id(&made))).await;
            let gone = hub.try_ask(name("get").id(&id(&made))).await.err().unwrap();
            assert_eq!(gone.kind(), Kind::NotFound, "{key} {resource}: {}", told(&gone));
        }
        // What a record needs besides may be left out where the provider insists on it.
        let made = hub
            .record(Ask::new("activities.create").body(json!({"subject": "x", "startDate": "2030-01-02T10:00:00Z"})))
            .await;
        assert_eq!(made["startDate"], made["endDate"], "{key}");
        let users = hub.list(Ask::new("users.list")).await;
        assert!(
            users.iter().any(|user| user["email"] == "ada@example.com" && user["active"] == true),
            "{key}: {users:?}"
        );
        let user = hub.record(Ask::new("users.get").id(&id(&users[0]))).await;
        assert_eq!(user["email"], users[0]["email"], "{key}");
    }
}

#[tokio::test]
async fn a_contact_belongs_to_its_account() {
    for key in ELEMENTS {
        let hub = Connected::new(key).await;
        let account = hub.record(Ask::new("accounts.create").body(json!({"name": "Analytical Engines"}))).await;
        let body = json!({"lastName": "Byron", "accountId": account["id"]});
        let made = hub.record(Ask::new("contacts.create").body(body)).await;
        assert_eq!(made["accountId"], account["id"], "{key}: {made}");
    }
}

#[tokio::test]
async fn filters_orders_and_pages_reach_the_provider() {
    for key in ELEMENTS {
        let hub = Connected::new(key).await;
        for (first, last, points) in [("Ada", "Byron", 7), ("Charles", "Babbage", 8), ("Mary", "Somerville", 9)] {
            let field = if key == "sfdc" { "Loyalty_Points__c" } else { "loyalty_points" };
            let body = json!({"firstName": first, "lastName": last, "email": format!("{first}@engine.example"), "customFields": {field: points}});
            let made = hub.record(Ask::new("contacts.create").body(body)).await;
            let kept = &made["customFields"][field];
            let kept = kept.as_f64().or_else(|| kept.as_str()?.parse().ok());
            assert_eq!(kept, Some(f64::from(points)), "{key}: {made}");
        }
        let names = |items: Vec<Value>| {
            items.iter().map(|item| item["lastName"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let custom = if key == "sfdc" { "customFields.Loyalty_Points__c" } else { "customFields.loyalty_points" };
        for (filter, expected) in [
            ("email = 'ada@engine.example'".to_owned(), vec!["Byron"]),
            ("email = 'nobody@engine.example'".to_owned(), vec![]),
            ("email LIKE '%@engine.example' AND lastName != 'Byron'".to_owned(), vec!["Babbage", "Somerville"]),
            (
                "lastName IN ('Byron', 'Somerville') AND createdDate > '2020-01-01T00:00:00Z'".to_owned(),
                vec!["Byron", "Somerville"],
            ),
            (format!("{custom} >= 8 AND {custom} < 10"), vec!["Babbage", "Somerville"]),
            ("firstName = 'Ada' OR firstName = 'Charles'".to_owned(), vec!["Babbage", "Byron"]),
            ("description = 'nothing like it'".to_owned(), vec![]),
        ] {
            let found = names(hub.list(Ask::new("contacts.list").filter(&filter).order("lastName")).await);
            assert_eq!(found, expected, "{key}: {filter}");
        }
        let some = hub
            .list(
                Ask::new("contacts.list")
                    .filter("email LIKE '%@engine.example'")
                    .order("lastName desc")
                    .fields(&["lastName"]),
            )
            .await;
        assert_eq!(
            some,
            [json!({"lastName": "Somerville"}), json!({"lastName": "Byron"}), json!({"lastName": "Babbage"})],
            "{key}"
        );
        let wrong = hub.try_ask(Ask::new("contacts.list").filter("lastNam = 'x'")).await.err().unwrap();
        assert_eq!(wrong.kind(), Kind::BadRequest, "{key}");
        assert!(wrong.public().contains("lastName"), "{key}: {}", wrong.public());
        let climbing = hub.try_ask(Ask::new("contacts.list").native().fields(&["Id FROM User"])).await.err().unwrap();
        assert_eq!(climbing.kind(), Kind::BadRequest, "{key}");

        // Two pages of two are one page of four, and the number of all is known.
        let all = names(hub.list(Ask::new("contacts.list")).await);
        let mut position = None;
        let mut read = Vec::new();
        loop {
            let ask = Ask { position, ..Ask::new("contacts.list").size(2).count() };
            let Outcome::List { items, next, total, .. } = hub.ask(ask).await else { panic!() };
            assert_eq!(total, Some(all.len() as u64), "{key}");
            read.extend(items.into_iter().map(Value::Object));
            position = next;
            if position.is_none() {
                break;
            }
        }
        assert_eq!(names(read), all, "{key}");
    }
}

#[tokio::test]
async fn leads_are_leads_only() {
    let hub = Connected::new("hubspot").await;
    let made = hub
        .record(Ask::new("leads.create").body(json!({"lastName": "Babbage", "email": "cb@difference.example"})))
        .await;
    let leads = hub.list(Ask::new("leads.list").filter("lastName = 'Babbage'")).await;
    assert_eq!(leads.len(), 1);
    let all = hub.list(Ask::new("leads.list")).await;
    assert!(
        all.iter().all(|lead| lead["email"] != "maya.ekstrom@northwind.example.com"),
        "a customer is no lead: {all:?}"
    );
    assert!(all.iter().any(|lead| lead["id"] == made["id"]));
}

#[tokio::test]
async fn native_records_pass_as_they_are() {
    let sfdc = Connected::new("sfdc").await;
    let body = json!({"FirstName": "Ada", "LastName": "Byron"});
    let made = sfdc.record(Ask::new("contacts.create").native().body(body)).await;
    assert_eq!((&made["LastName"], &made["attributes"]["type"]), (&json!("Byron"), &json!("Contact")));
    let found =
        sfdc.list(Ask::new("contacts.list").native().filter("LastName = 'Byron'").fields(&["Id", "LastName"])).await;
    assert_eq!(found[0]["Id"], made["Id"]);
    assert!(found[0].get("FirstName").is_none());
    let object = |verb: &str| Ask::new(&format!("records.{verb}")).named("objectName", "My_Object__c");
    let own = sfdc.record(object("create").body(json!({"Name": "Mine", "Score__c": 2.5}))).await;
    let key = own["Id"].as_str().unwrap().to_owned();
    assert_eq!(sfdc.record(object("update").id(&key).body(json!({"Score__c": 3}))).await["Score__c"], 3.0);
    assert!(sfdc.list(object("list").filter("Score__c = 3")).await.iter().any(|record| record["Id"] == key.as_str()));
    sfdc.ask(object("delete").id(&key)).await;
    let nothing = sfdc.try_ask(Ask::new("records.list").named("objectName", "Nope")).await.err().unwrap();
    assert_eq!(nothing.kind(), Kind::NotFound, "{}", told(&nothing));
    let climbing = sfdc.try_ask(Ask::new("records.list").named("objectName", "User WHERE Id != null")).await;
    assert_eq!(climbing.err().unwrap().kind(), Kind::NotFound);

    let hubspot = Connected::new("hubspot").await;
    let body = json!({"properties": {"firstname": "Ada", "lastname": "Byron"}});
    let made = hubspot.record(Ask::new("contacts.create").native().body(body)).await;
    assert_eq!(made["properties"]["lastname"], "Byron");
    let found = hubspot.list(Ask::new("contacts.list").native().filter("lastname = 'Byron'")).await;
    assert_eq!(found[0]["id"], made["id"]);
    let object = |verb: &str| Ask::new(&format!("records.{verb}")).named("objectName", "my_object");
    let own = hubspot.record(object("create").body(json!({"properties": {"name": "Mine"}}))).await;
    let key = id(&own);
    assert_eq!(hubspot.record(object("get").id(&key)).await["properties"]["name"], "Mine");
    hubspot.ask(object("delete").id(&key)).await;
    let nothing = hubspot.try_ask(Ask::new("records.list").named("objectName", "nope")).await.err().unwrap();
    assert_eq!(nothing.kind(), Kind::NotFound, "{}", told(&nothing));
}

#[tokio::test]
async fn objects_and_fields_are_described() {
    for (key, own, object, email) in
        [("sfdc", "My_Object__c", "contact", "Email"), ("hubspot", "p1000001_my_object", "contacts", "email")]
    {
        let hub = Connected::new(key).await;
        hub.engine.probe(&hub.element, &hub.connection, soon()).await.unwrap();
        let objects = hub.engine.objects(&hub.element, &hub.connection, soon()).await.unwrap();
        assert!(objects.iter().any(|object| object.name == own), "{key}: {objects:?}");
        let fields = hub.engine.describe(&hub.element, &hub.connection, object, soon()).await.unwrap();
        let field = fields.iter().find(|field| field.name == email).unwrap();
        for member in
            ["vendorDisplayName", "type", "vendorRequired", "vendorReadOnly", "filterable", "createable", "updateable"]
        {
            assert!(field.record.contains_key(member), "{key}: {member} of {:?}", field.record);
        }
        assert_eq!((field.custom, field.kind.as_str()), (false, "string"), "{key}");
        assert!(fields.iter().any(|field| field.custom && field.kind == "number"), "{key}");
        assert!(fields.iter().any(|field| field.kind == "datetime" && field.record["vendorReadOnly"] == true), "{key}");
    }
}

#[tokio::test]
async fn refusals_are_told_in_uniform_terms() {
    let sfdc = Connected::new("sfdc").await;
    let incomplete = sfdc.try_ask(Ask::new("contacts.create").body(json!({"firstName": "Ada"}))).await.err().unwrap();
    assert_eq!(incomplete.kind(), Kind::BadRequest);
    let fault = incomplete.provider().unwrap();
    assert_eq!((fault.status, fault.code.as_deref()), (400, Some("REQUIRED_FIELD_MISSING")));
    assert!(fault.message.as_deref().unwrap().contains("LastName"));
    sfdc.sandbox.fault(serde_json::from_value(json!({"path": "/services/data", "status": 403, "times": 1})).unwrap());
    let limited = sfdc.try_ask(Ask::new("accounts.get").id("001000000000001")).await.err().unwrap();
    assert_eq!(limited.kind(), Kind::TooManyRequests, "{}", told(&limited));

    let hubspot = Connected::new("hubspot").await;
    let body = json!({"lastName": "Byron", "email": "ada@engine.example"});
    hubspot.record(Ask::new("contacts.create").body(body.clone())).await;
    let twice = hubspot.try_ask(Ask::new("contacts.create").body(body)).await.err().unwrap();
    assert_eq!(twice.kind(), Kind::Conflict, "{}", told(&twice));
    assert!(twice.provider().unwrap().message.as_deref().unwrap().contains("already exists"));
    let fax = hubspot.try_ask(Ask::new("accounts.create").body(json!({"name": "x", "fax": "1"}))).await.err().unwrap();
    assert!(fax.public().contains("have no fax number"), "{}", fax.public());
}

//! Elements that may be connected in several ways: without anybody's consent too.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Gateway, Reply, send};

/// Element, choice, configuration, and the entry that is proved.
type Choice = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

const CHOICES: [Choice; 3] = [
    ("pipedrive", "custom", &[], "pipedrive.api.token=5e0b1f7c2d9a4e63b8f10c7d2a9e4b6f1c3d5e7a"),
    ("hubspotcrm", "apiKey", &[], "hubspot.authorization.apikey=pat-na1-00000000-5a4d-4b0c-8e1f-000000000000"),
    ("dynamicscrmadfs", "custom", &[("user.username", "ada@example.com")], "user.password=sandbox-password"),
];

async fn connect(hub: &Gateway, element: &str, configuration: &Value) -> Reply {
    let body = json!({"name": "chosen", "element": {"key": element}, "configuration": configuration});
    send(hub.platform(Method::POST, "/instances").json(&body)).await
}

#[tokio::test]
async fn keys_and_passwords_connect_without_consent() {
    let hub = Gateway::demo();
    for (element, word, more, proof) in CHOICES {
        let (key, value) = proof.split_once('=').unwrap();
        let mut configuration = json!({"authentication.type": word});
        let members = configuration.as_object_mut().unwrap();
        members.extend(more.iter().map(|(key, value)| ((*key).to_owned(), json!(value))));
        // The proof is asked for by its name, and a wrong one is no proof.
        let missing = connect(&hub, element, &configuration).await.expect(400);
        assert!(missing.body.to_string().contains(key), "{element}: {}", missing.body);
        configuration[key] = json!("wrong");
        let wrong = connect(&hub, element, &configuration).await;
        assert!(wrong.status.is_client_error(), "{element}: {} {}", wrong.status, wrong.body);
        configuration[key] = json!(value);
        let made = connect(&hub, element, &configuration).await.expect(200).body;
        assert_ne!(made["configuration"][key], json!(value), "{element}: a proof is masked");
        let token = format!("Element {}", made["token"].as_str().unwrap());
        let read = hub.bare(Method::GET, "/hubs/crm/contacts?pageSize=2").header("Authorization", token);
        assert!(!send(read).await.expect(200).list().is_empty(), "{element}");
    }
}

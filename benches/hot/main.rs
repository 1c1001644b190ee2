//! Carries so many calls through a whole gateway, over sockets, for counting instructions: `hot record|page|cached|small TURNS`.
//!
//! One client, one connection, a provider with fixed answers, the shipped `hubspot` element (`small`: the load bench's own
//! `benchcrm`, which asks for no fields), a sealed store, an OAuth grant; everything in this process. `.ci/instructions` counts what a turn costs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a tool that says what is wrong by failing"
)]

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use chrono::{TimeDelta, Utc};
use hubgate::{
    api::Serving,
    app::App,
    clock::SystemClock,
    config::{Config, Sources},
    store::{NewAccount, NewGrant, NewInstance},
};
use secrecy::SecretString;

#[path = "../translate/answers.rs"]
#[expect(dead_code, reason = "only the answers are used here")]
mod answers;

/// As the program itself has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The instance's token.
const TOKEN: &str = "aG90LWluc3RhbmNlLXRva2VuLTAxMjM0NTY3ODlhYmM=";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [way, turns] = arguments.as_slice() else { panic!("hot record|page|cached|small TURNS") };
    let turns: u32 = turns.parse().unwrap();
    let element = if way == "small" { "benchcrm" } else { "hubspot" };
    let (path, answer, cached) = match way.as_str() {
        "record" | "small" => ("/hubs/crm/contacts/51001", answers::contact(1, true), false),
        "page" => ("/hubs/crm/contacts?pageSize=100", answers::page(100), false),
        "cached" => ("/hubs/crm/contacts/51001", answers::contact(1, true), true),
        _ => panic!("unknown way {way}"),
    };
    let provider = provider(answer.to_string());
    // One thread, so that the order of things is the same in every run.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let home = tempfile::TempDir::new().unwrap();
        let app = gateway(home.path(), provider, element, cached).await;
        let serving = Serving::start(app).await.unwrap();
        let (address, path) = (serving.address, path.to_owned());
        tokio::task::spawn_blocking(move || drive(address, &path, turns)).await.unwrap();
        serving.stop().await;
    });
}

async fn gateway(home: &std::path::Path, provider: SocketAddr, element: &str, cached: bool) -> App {
    let settings = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[metrics]\nlisten = \"\"\n[store]\ndata_dir = \"{home}\"\n\
         [catalog]\npath = \"{mappings}\"\nwatch = false\n[egress]\nallow = [\"127.0.0.1\"]\n\
         [elements.{element}.configuration]\n\"base.url\" = \"http://{provider}\"\n\
         \"oauth.api.key\" = \"id\"\n\"oauth.api.secret\" = \"secret\"\n\"oauth.callback.url\" = \"https://app.example/back\"\n",
        home = home.display(),
        mappings = concat!(env!("CARGO_MANIFEST_DIR"), "/../load/mappings"),
    );
    let file = home.join("hubgate.toml");
    std::fs::write(&file, settings).unwrap();
    let sources = Sources { file: Some(file), environment: Vec::new(), overrides: Vec::new() };
    let config = Config::load(&sources).unwrap_or_else(|invalid| panic!("{invalid}"));
    let app = App::build(config, Arc::new(SystemClock)).await.unwrap();
    let account = NewAccount { email: "hot@bench.example".to_owned(), ..NewAccount::default() };
    let user = app.store.create_account(account).await.unwrap().user;
    let element_id = app.catalog.load().entry(element).unwrap().id;
    let secret = |text: &str| SecretString::from(text.to_owned());
    let grant = NewGrant {
        access: Some(secret("access")),
        refresh: Some(secret("refresh")),
        expires_at: Some(Utc::now() + TimeDelta::days(1)),
        secret: None,
        keep_alive_in: None,
    };
    let instance = NewInstance {
        organization_id: user.organization_id,
        user_id: user.id,
        element_id,
        element_key: element.to_owned(),
        name: "hot".to_owned(),
        token: Some(secret(TOKEN)),
        caching_enabled: cached,
        cache_ttl_s: if cached { 86_400 } else { 0 },
        max_cache_size: 100,
        external_authentication: "initial".to_owned(),
        grant: Some(grant),
        ..NewInstance::default()
    };
    app.store.insert_instance(instance).await.unwrap();
    app
}

/// A provider that answers every request of a connection with the same bytes.
fn provider(body: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, answer) = (connection.unwrap(), answer.clone());
            thread::spawn(move || {
                while head(&mut connection) {
                    connection.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    address
}

/// Reads to the end of a head; whether there was one.
fn head(connection: &mut TcpStream) -> bool {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    while !read.ends_with(b"\r\n\r\n") {
        match connection.read(&mut buffer) {
            Ok(0) | Err(_) => return false,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
        }
    }
    true
}

fn drive(address: SocketAddr, path: &str, turns: u32) {
    let request = format!(
        "GET /elements/api-v2{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Element {TOKEN}\r\naccept: application/json\r\n\r\n"
    );
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_nodelay(true).unwrap();
    let mut answer = vec![0; 1 << 20];
    for _ in 0..turns {
        connection.write_all(request.as_bytes()).unwrap();
        let (mut filled, mut wanted) = (0, None);
        while wanted.is_none_or(|wanted| filled < wanted) {
            let count = connection.read(&mut answer[filled..]).unwrap();
            assert!(count > 0, "the gateway hung up");
            filled += count;
            if wanted.is_none() {
                wanted = length(&answer[..filled]);
            }
        }
    }
}

/// How long an answer is, head and body, once its head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(answer).unwrap_or_default();
    let (head, _) = text.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let head = head.to_ascii_lowercase();
    let (_, rest) = head.split_once("content-length: ").expect("an answer of a known length");
    let body: usize = rest.lines().next().unwrap().parse().unwrap();
    Some(head.len() + 4 + body)
}

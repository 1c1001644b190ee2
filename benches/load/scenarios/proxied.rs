//! Calls beside plain proxies: one record, a page, a create, a listing, cache hits.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::super::{
    Outcome,
    documents::{self, CONTACT_ID},
    driver::Load,
    process::Process,
    programs, provider,
    report::{self, Target},
    rig::Rig,
    rounds::{self, Contender, Right, Row},
    served::{Kind, requests},
    wire::{Wire, request},
};

/// Instances over which the calls of one scenario go.
const INSTANCES: usize = 16;

pub const NGINX: &str = "nginx, plain proxy";
pub const HUBGATE: &str = "hubgate";
const NAIVE: &str = "axum + reqwest + Value";
const STATIC: &str = "static axum";
const NGINX_CACHE: &str = "nginx, cache hit";
const HUBGATE_304: &str = "hubgate, 304";

/// The same bytes.
pub fn same(expected: &Bytes) -> Right {
    let expected = expected.clone();
    Box::new(move |body| body == expected)
}

/// The same JSON.
fn means(expected: Value) -> Right {
    Box::new(move |body| serde_json::from_slice::<Value>(body).is_ok_and(|value| value == expected))
}

/// The contact in uniform terms.
pub fn uniform_contact() -> Right {
    means(documents::translated(&native(&documents::CONTACT)))
}

/// The page of contacts in uniform terms.
pub fn uniform_page() -> Right {
    means(documents::translated_page(&native(&documents::PAGE)))
}

fn native(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// A call straight to the provider, as a proxy passes it on.
fn passed(method: &str, path: &str, body: &[u8]) -> Vec<Vec<u8>> {
    let bearer = format!("Bearer {}", provider::TOKEN);
    vec![request(method, path, &[("Authorization", &bearer)], body)]
}

fn contender<'p>(
    name: &'static str,
    process: &'p Process,
    address: std::net::SocketAddr,
    requests: Vec<Vec<u8>>,
    right: Right,
) -> Contender<'p> {
    Contender { name, process, load: Load { address, requests: Arc::new(requests), status: 200 }, right }
}

pub async fn run(rig: &Rig) -> Outcome<Vec<Target>> {
    let nginx = rig.nginx().await?;
    let naive = rig.program("naive")?;
    let fixed = rig.program("static")?;
    let hubgate = rig.setting("proxied").start().await?;
    let wants = |name: &str| rig.options.wants(name);
    let mut targets = Vec::new();

    let record = format!("/hubs/crm/contacts/{CONTACT_ID}");
    let page = "/hubs/crm/contacts?pageSize=100";
    let native_record = format!("/crm/v3/objects/contacts/{CONTACT_ID}");
    let native_page = "/crm/v3/objects/contacts?limit=100";
    let uniform_record = documents::translated(&native(&documents::CONTACT));
    let uniform_page = documents::translated_page(&native(&documents::PAGE));
    let plain = |method: &str, path: &str, body: &[u8], right: Right| {
        contender(NGINX, &nginx.process, nginx.plain, passed(method, path, body), right)
    };
    let through = |tokens: &[String], method: &str, path: &str, body: &[u8], right: Right| {
        contender(HUBGATE, &hubgate.process, hubgate.address, requests(tokens, method, path, &[], body), right)
    };
    let known: Vec<String> = (0..INSTANCES).map(|n| programs::token(n * 977)).collect();
    let naively = |path: &str, right: Right| {
        let requests = known
            .iter()
            .map(|token| request("GET", path, &[("Authorization", &format!("Element {token}"))], &[]))
            .collect();
        contender(NAIVE, &naive.process, naive.address, requests, right)
    };

    if wants("a") || wants("b") || wants("c") {
        let tokens = hubgate.instances("benchcrm", INSTANCES, Kind::default()).await?;
        if wants("a") {
            report::heading("a: one record of 1.6 KB, translated");
            let rows = compare(
                rig,
                &[
                    plain("GET", &native_record, &[], same(&documents::CONTACT)),
                    through(&tokens, "GET", &record, &[], means(uniform_record.clone())),
                    naively(&format!("/contacts/{CONTACT_ID}"), means(uniform_record.clone())),
                ],
                NGINX,
            )
            .await?;
            targets.push(Target::most("a: CPU to nginx plain", at_64(&rows, HUBGATE, NGINX), 3.0, 2.0, "×"));
        }
        if wants("b") {
            report::heading("b: a page of 100 records, 53 KB, translated");
            let rows = compare(
                rig,
                &[
                    plain("GET", native_page, &[], same(&documents::PAGE)),
                    through(&tokens, "GET", page, &[], means(uniform_page.clone())),
                    naively("/contacts", means(uniform_page.clone())),
                ],
                NGINX,
            )
            .await?;
            targets.push(Target::most("b: CPU to nginx plain", at_64(&rows, HUBGATE, NGINX), 5.0, 3.2, "×"));
            targets.push(Target::most("b: CPU to the naive gateway", at_64(&rows, HUBGATE, NAIVE), 0.2, 0.1, "×"));
        }
        if wants("c") {
            report::heading("c: create, a small body both ways");
            let body = documents::NEW_CONTACT.clone();
            compare(
                rig,
                &[
                    plain("POST", "/crm/v3/objects/contacts", &body, same(&documents::CONTACT)),
                    through(&tokens, "POST", "/hubs/crm/contacts", &body, means(uniform_record.clone())),
                ],
                NGINX,
            )
            .await?;
        }
    }
    if wants("d") {
        let tokens = hubgate.instances("dropbox", INSTANCES, Kind::default()).await?;
        report::heading("d: a folder of 100 entries, ids made of paths (the shipped element `dropbox`)");
        let asked = br#"{"path":"/Demo","limit":200}"#;
        compare(
            rig,
            &[
                plain("POST", "/2/files/list_folder", asked, same(&documents::LISTING)),
                through(
                    &tokens,
                    "GET",
                    "/hubs/documents/folders/contents?path=%2FDemo",
                    &[],
                    Box::new(|body| {
                        serde_json::from_slice(body).is_ok_and(|answer| documents::listing_is_right(&answer))
                    }),
                ),
            ],
            NGINX,
        )
        .await?;
    }
    if wants("shipped") {
        let tokens = hubgate.instances("hubspotcrm", INSTANCES, Kind::default()).await?;
        let email = native(&documents::CONTACT)["properties"]["email"].clone();
        report::heading("a and b through the shipped element `hubspotcrm`, all fields");
        compare(
            rig,
            &[
                plain("GET", &native_record, &[], same(&documents::CONTACT)),
                through(
                    &tokens,
                    "GET",
                    &record,
                    &[],
                    Box::new(move |body| {
                        serde_json::from_slice::<Value>(body).is_ok_and(|value| value["email"] == email)
                    }),
                ),
            ],
            NGINX,
        )
        .await?;
        compare(
            rig,
            &[
                plain("GET", native_page, &[], same(&documents::PAGE)),
                through(
                    &tokens,
                    "GET",
                    page,
                    &[],
                    Box::new(|body| {
                        serde_json::from_slice::<Value>(body)
                            .is_ok_and(|value| value.as_array().is_some_and(|rows| rows.len() == 100))
                    }),
                ),
            ],
            NGINX,
        )
        .await?;
    }
    if wants("e") {
        let kind = Kind { cached_s: 86_400, ..Kind::default() };
        let tokens = hubgate.instances("benchcrm", INSTANCES, kind).await?;
        for (what, below, native_path, native_bytes, fixed_path, uniform) in [
            ("one record", record.as_str(), native_record.as_str(), &documents::CONTACT, "/small", &uniform_record),
            ("a page", page, native_page, &documents::PAGE, "/page", &uniform_page),
        ] {
            report::heading(&format!("e: cache hits, {what}"));
            let mut wire = Wire::open(hubgate.address).await?;
            let all = requests(&tokens, "GET", below, &[], &[]);
            let reply = wire.call(&all[0]).await?;
            let head = wire.head_text(reply);
            let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).ok_or("a cached answer has no ETag")?;
            let mut again = contender(
                HUBGATE_304,
                &hubgate.process,
                hubgate.address,
                requests(&tokens, "GET", below, &[("If-None-Match", tag)], &[]),
                Box::new(<[u8]>::is_empty),
            );
            let contenders = [
                plain("GET", native_path, &[], same(native_bytes)),
                contender(
                    NGINX_CACHE,
                    &nginx.process,
                    nginx.cached,
                    passed("GET", native_path, &[]),
                    same(native_bytes),
                ),
                contender(
                    STATIC,
                    &fixed.process,
                    fixed.address,
                    vec![request("GET", fixed_path, &[], &[])],
                    means(uniform.clone()),
                ),
                through(&tokens, "GET", below, &[], means(uniform.clone())),
                {
                    again.load.status = 304;
                    again
                },
            ];
            // Every instance's answer gets into the cache by the first look at it.
            rounds::verify(&contenders[..4]).await?;
            let rows = compare(rig, &contenders, NGINX).await?;
            if what == "one record" {
                targets.push(Target::most("e: CPU to nginx plain", at_64(&rows, HUBGATE, NGINX), 0.75, 0.75, "×"));
                targets.push(Target::most("e: CPU to static axum", at_64(&rows, HUBGATE, STATIC), 1.5, 1.2, "×"));
            }
        }
    }
    Ok(targets)
}

/// Looks at all answers, then measures at every number of connections and prints.
async fn compare(rig: &Rig, contenders: &[Contender<'_>], base: &str) -> Outcome<Vec<Row>> {
    rounds::verify(contenders).await?;
    let mut rows = Vec::new();
    for connections in &rig.options.connections {
        rows.extend(rounds::run(contenders, *connections, rig.options.rounds, rig.options.seconds).await?);
    }
    report::comparison(&rows, base);
    Ok(rows)
}

/// The ratio at 64 connections, or what is nearest to it.
fn at_64(rows: &[Row], name: &str, base: &str) -> f64 {
    let own = rows.iter().filter(|row| row.name == name).min_by_key(|row| row.connections.abs_diff(64));
    own.and_then(|row| row.ratio.get(base)).copied().unwrap_or(f64::NAN)
}

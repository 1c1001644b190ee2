//! The programs hubgate is held against that have to be built: a static one, and the gateway anyone would first write.
//!
//! They run as children of this same executable.

use std::{collections::HashMap, io::Write, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{
        StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::Value;

use super::{Outcome, documents, provider};

/// How many tokens the naive gateway knows.
const TOKENS: usize = 100_000;

/// The variable that makes this executable one of the programs.
pub const ROLE: &str = "HUBGATE_BENCH_ROLE";
/// Where the naive gateway's provider is.
pub const PROVIDER: &str = "HUBGATE_BENCH_PROVIDER";

/// What this process was started as, if not as the bench.
pub fn role() -> Option<String> {
    std::env::vars().find(|(name, _)| name == ROLE).map(|(_, role)| role)
}

/// The token of the naive gateway's caller `n`.
pub fn token(n: usize) -> String {
    format!("naive-token-{n:08}")
}

pub fn run(role: String) -> Outcome<()> {
    let provider = std::env::vars().find(|(name, _)| name == PROVIDER).map(|(_, value)| value).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let router = if role == "static" { fixed() } else { naive(provider)? };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address: SocketAddr = listener.local_addr()?;
        println!("{address}");
        std::io::stdout().flush()?;
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            stream.set_nodelay(true).ok();
        });
        axum::serve(listener, router).await?;
        Ok(())
    })
}

/// Fixed bytes, no work.
fn fixed() -> Router {
    let answer = |bytes: Bytes| get(move || async move { ([(CONTENT_TYPE, "application/json")], bytes) });
    let record = |native: &Bytes, translate: fn(&Value) -> Value| -> Bytes {
        serde_json::to_vec(&translate(&serde_json::from_slice(native).unwrap())).unwrap().into()
    };
    Router::new()
        .route("/small", answer(record(&documents::CONTACT, documents::translated)))
        .route("/page", answer(record(&documents::PAGE, documents::translated_page)))
}

struct Naive {
    tokens: HashMap<String, String>,
    http: reqwest::Client,
    provider: String,
}

/// axum, reqwest and `serde_json::Value`: a token looked up, the bearer attached, a tree read, a tree built, a tree
/// written.
fn naive(provider: String) -> Outcome<Router> {
    drop(rustls::crypto::ring::default_provider().install_default());
    #[expect(clippy::disallowed_methods, reason = "it is no part of the gateway")]
    let http = reqwest::Client::builder().no_proxy().build()?;
    let tokens = (0..TOKENS).map(|n| (token(n), provider::TOKEN.to_owned())).collect();
    let state = Arc::new(Naive { tokens, http, provider });
    Ok(Router::new().route("/contacts", get(forward)).route("/contacts/{id}", get(forward)).with_state(state))
}

async fn forward(State(naive): State<Arc<Naive>>, request: Request) -> Response {
    let Some(token) =
        request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Element "))
    else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let Some(bearer) = naive.tokens.get(token) else { return StatusCode::UNAUTHORIZED.into_response() };
    let path = request.uri().path();
    let url = format!("{}/crm/v3/objects{path}", naive.provider);
    let answer = async {
        let answer = naive.http.get(url).bearer_auth(bearer).send().await?.error_for_status()?;
        answer.json::<Value>().await
    };
    match answer.await {
        Ok(native) if path == "/contacts" => axum::Json(documents::translated_page(&native)).into_response(),
        Ok(native) => axum::Json(documents::translated(&native)).into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

//! Starts the program and speaks to it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

/// A running `hubgate demo` (or `serve`), ended on drop.
pub(crate) struct Gateway {
    child: Child,
    /// The API's root.
    pub(crate) base: String,
    /// `User …, Organization …`.
    pub(crate) account: String,
    /// What `demo --json` told.
    pub(crate) told: Value,
    client: reqwest::Client,
    log: Log,
    _data: Option<tempfile::TempDir>,
}

/// What a process logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One answer, its body read as JSON where it is JSON.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    /// A header's text, empty when absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// This reply, which must have `status`.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    /// The list in the body.
    #[track_caller]
    pub(crate) fn list(&self) -> &Vec<Value> {
        self.body.as_array().unwrap_or_else(|| panic!("no list: {}", self.body))
    }

    /// The `name` members of the list.
    pub(crate) fn names(&self) -> Vec<String> {
        self.list().iter().map(|item| item["name"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's client is no part of the gateway")]
pub(crate) fn client() -> reqwest::Client {
    // Another test may have installed it first.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl Gateway {
    /// `hubgate demo` on free ports, ready.
    pub(crate) fn demo() -> Self {
        Self::demo_with(&[])
    }

    /// [`Self::demo`] with further environment.
    pub(crate) fn demo_with(environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubgate"));
        command.args(["demo", "--json", "--listen", "127.0.0.1:0"]);
        // Killed, it leaves what it keeps in files: so it has a directory that goes with it.
        let files = tempfile::tempdir().unwrap();
        command.env("TMPDIR", files.path());
        command.env("HUBGATE_METRICS__LISTEN", "").envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut said = String::new();
            child.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
            panic!("the demo did not start: {said}");
        }
        // What it logs from now on is read, so that the pipe never fills.
        let (mut errors, log) = (child.stderr.take().unwrap(), Log::default());
        let mut kept = log.clone();
        std::thread::spawn(move || std::io::copy(&mut errors, &mut kept));
        let told: Value = serde_json::from_str(&line).unwrap();
        Self {
            base: told["baseUrl"].as_str().unwrap().to_owned(),
            account: format!(
                "User {}, Organization {}",
                told["userSecret"].as_str().unwrap(),
                told["organizationSecret"].as_str().unwrap()
            ),
            client: client(),
            told,
            child,
            log,
            _data: Some(files),
        }
    }

    /// What it has logged so far.
    fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.0.lock().unwrap()).into_owned()
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Memory the process holds in RAM, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(Path::new("/proc").join(self.pid().to_string()).join("status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// The token of the element's instance.
    pub(crate) fn token(&self, element: &str) -> String {
        self.told["instances"][element]["token"]
            .as_str()
            .unwrap_or_else(|| panic!("no instance of {element}"))
            .to_owned()
    }

    /// The id of the element's instance.
    pub(crate) fn instance_id(&self, element: &str) -> i64 {
        let id = &self.told["instances"][element]["id"];
        id.as_i64().unwrap_or_else(|| id.as_str().unwrap().parse().unwrap())
    }

    /// A request with the token of the element's instance; `path` is below the API's root.
    pub(crate) fn request(&self, element: &str, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).header("Authorization", format!("Element {}", self.token(element)))
    }

    /// A request of the account.
    pub(crate) fn platform(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).header("Authorization", &self.account)
    }

    /// A request without credentials.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        self.client.request(method, url)
    }

    /// GET through an instance.
    pub(crate) async fn get(&self, element: &str, path: &str) -> Reply {
        send(self.request(element, Method::GET, path)).await
    }

    /// DELETE through an instance.
    pub(crate) async fn delete(&self, element: &str, path: &str) -> Reply {
        send(self.request(element, Method::DELETE, path)).await
    }

    /// A JSON body through an instance.
    pub(crate) async fn json(&self, element: &str, method: Method, path: &str, body: &Value) -> Reply {
        send(self.request(element, method, path).json(body)).await
    }

    /// Uploads `content`.
    pub(crate) async fn upload(&self, element: &str, path: &str, content: &[u8]) -> Reply {
        let (content_type, body) = form("anything.bin", content);
        send(self.request(element, Method::POST, path).header("Content-Type", content_type).body(body)).await
    }

    /// Asks the element's sandbox for something unusual.
    pub(crate) async fn control(&self, element: &str, method: Method, path: &str, body: &Value) -> Value {
        let control = self.told["sandboxes"][element]["control"].as_str().unwrap();
        let request = self.client.request(method, format!("{control}{path}"));
        let request = if body.is_null() { request } else { request.json(body) };
        let reply = send(request).await;
        assert!(reply.status.is_success(), "{}", reply.body);
        reply.body
    }

    /// How many calls the element's sandbox has had.
    pub(crate) async fn calls(&self, element: &str) -> u64 {
        let counters = self.control(element, Method::GET, "/counters", &json!(null)).await;
        counters["total"].as_u64().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may be gone already.
        drop(self.child.kill());
        drop(self.child.wait());
        // Whatever the test looked at: no request made the program panic.
        if !std::thread::panicking() {
            let log = self.log();
            assert!(!log.contains("a panic") && !log.contains("panicked"), "{log}");
        }
    }
}

/// Sends and reads the whole reply.
pub(crate) async fn send(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.unwrap().to_vec();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Reply { status, headers, body, bytes }
}

/// A multipart form with the part `file` after a part that does not matter.
pub(crate) fn form(name: &str, content: &[u8]) -> (String, Vec<u8>) {
    let mut body = format!(
        "--b0und\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n--b0und\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--b0und--\r\n");
    ("multipart/form-data; boundary=b0und".to_owned(), body)
}

/// A value percent-encoded for a query.
pub(crate) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

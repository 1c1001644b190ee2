//! Makes requests that are wrong in one way or several.

use std::sync::Arc;

/// One operation of the API.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<String>,
    /// Who may call it, as `Authorization` says it.
    pub(crate) callers: Arc<[String]>,
}

/// A request as it goes over the wire.
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    /// Its answer has no body.
    pub(crate) head: bool,
    /// Nothing may follow it on the same connection.
    pub(crate) last: bool,
}

pub(crate) struct Generator {
    state: u64,
    host: String,
    prefix: String,
    routes: Vec<Route>,
}

/// Values for paths, queries and fields.
const VALUES: [&str; 54] = [
    "",
    "7777",
    "0",
    "-1",
    "x",
    "..",
    ".",
    "%2e%2e",
    "..%2f..",
    "%2F",
    "//",
    "a/b",
    "\\",
    "%5c",
    "%00",
    "%0d%0aX:y",
    "%zz",
    "%",
    "é",
    "%C3%A9",
    "%ff%fe",
    "%F0%9F%98%80",
    "99999999999999999999",
    "9223372036854775808",
    "1e999",
    "NaN",
    "null",
    "true",
    "{}",
    "[]",
    "[[[[[[[[",
    "'",
    "\"",
    "' OR 1=1 --",
    "'; DROP TABLE instances; --",
    "${7*7}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "https://169.254.169.254/",
    "//evil.test",
    "@evil.test",
    "file:///etc/passwd",
    "../../../../etc/passwd",
    "$.a[?(@.b)]",
    "%u0041",
    "+",
    "%20",
    "a%20b",
    "*",
    "?",
    "#",
    "Account",
    "__proto__",
    "2024-01-01T00:00:00Z",
];

/// Filters, right and wrong.
const FILTERS: [&str; 30] = [
    "name='x'",
    "name = 'x' AND",
    "((((((((((name='x'",
    "name IN ()",
    "name IN ('a','b'",
    "name LIKE '%'",
    "name LIKE",
    "NOT NOT NOT name='x'",
    "name IS",
    "name IS NOT NULL",
    "'x'=name",
    "name=''''",
    "name='\\'",
    "`a b`='x'",
    "``='x'",
    "\"a\"='x'",
    "name='x' OR 1=1",
    "name='x'; DROP",
    "name>1e999",
    "createdDate>'not a date'",
    "createdDate > 99999999999999999",
    "name='\u{0}'",
    "name='😀'",
    "a.b.c.d.e.f='x'",
    "id=1 AND id=2 AND id=3",
    "name<>",
    "=",
    "AND",
    "()",
    "name='x' garbage",
];

/// Bodies, most of them no record.
const BODIES: [&str; 32] = [
    "",
    "{",
    "}",
    "null",
    "true",
    "0",
    "\"x\"",
    "[]",
    "[{}]",
    "{}",
    "{\"name\":}",
    "{\"name\":\"x\",}",
    "{'name':'x'}",
    "{\"name\":null}",
    "{\"name\":{\"name\":{\"name\":1}}}",
    "{\"name\":[]}",
    "{\"name\":1e999}",
    "{\"name\":\"\\ud800\"}",
    "{\"name\":\"\\u0000\"}",
    "{\"name\":\"a\",\"name\":\"b\"}",
    "\u{feff}{}",
    "{\"id\":-1,\"token\":\"x\",\"organization_id\":1}",
    "{\"element\":{\"key\":\"dropbox\"},\"configuration\":{\"base.url\":\"http://127.0.0.1:1/\"}}",
    "{\"element\":{\"key\":\"sfdc\"},\"providerData\":[]}",
    "{\"element\":\"x\"}",
    "{\"element\":{\"key\":1}}",
    "{\"path\":\"/../x\"}",
    "{\"path\":\"\"}",
    "{\"path\":7}",
    "{\"LastName\":{}}",
    "{\"lastName\":\"x\",\"email\":[1]}",
    "NaN",
];

const TYPES: [&str; 9] = [
    "application/json",
    "application/json; charset=utf-16",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=b",
    "garbage",
    "*/*",
];

const HEADERS: [(&str, &str); 18] = [
    ("Range", "bytes=0-"),
    ("Range", "bytes=9999999999999999999999-"),
    ("Range", "bytes=-0"),
    ("Range", "lines=1-2"),
    ("If-None-Match", "*"),
    ("If-None-Match", "\"x"),
    ("If-Modified-Since", "yesterday"),
    ("Accept", "image/png"),
    ("Accept", "garbage//"),
    ("Expect", "200-maybe"),
    ("Cookie", "a=b"),
    ("X-Forwarded-Host", "evil.test"),
    ("Elements-As-Team-Member", "\u{7f}"),
    ("Subsite", "../x"),
    ("Content-Encoding", "gzip"),
    ("Upgrade", "h2c"),
    ("TE", "trailers, garbage"),
    ("Elements-Version", "9999999999"),
];

impl Generator {
    pub(crate) fn new(seed: u64, host: &str, prefix: &str, routes: Vec<Route>) -> Self {
        Self { state: seed + 1, host: host.to_owned(), prefix: prefix.to_owned(), routes }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// What a path or query can hold without ending the request line.
    fn value(&mut self) -> String {
        let value = self.pick(&VALUES);
        match self.below(12) {
            0 => value.repeat(200),
            1 => format!("{value}{}", self.pick(&VALUES)),
            _ => value.to_owned(),
        }
        .replace([' ', '\r', '\n', '#'], "+")
    }

    fn path(&mut self, route: &Route) -> String {
        let mut path = String::new();
        for segment in route.path.split('/').filter(|segment| !segment.is_empty()) {
            path.push('/');
            if segment.starts_with('{') || self.chance(40) {
                path.push_str(&self.value().replace('?', "%3F"));
            } else {
                path.push_str(segment);
            }
        }
        if self.chance(40) {
            path.push('/');
        }
        path
    }

    fn query(&mut self, route: &Route) -> String {
        let mut query = String::new();
        for _ in 0..self.below(3) {
            query.push(if query.is_empty() { '?' } else { '&' });
            let known = self.below(route.query.len() + 1);
            let name = route.query.get(known).cloned().unwrap_or_else(|| self.value());
            let value = if name == "where" || self.chance(10) {
                let filter = self.pick(&FILTERS).to_owned();
                percent(&filter)
            } else {
                self.value()
            };
            query.push_str(&name);
            if !self.chance(20) {
                query.push('=');
                query.push_str(&value);
            }
        }
        query
    }

    pub(crate) fn request(&mut self) -> Request {
        let at = self.below(self.routes.len());
        let route = self.routes[at].clone();
        let mut method = route.method.clone();
        if self.chance(15) {
            self.pick(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "X-Y"])
                .clone_into(&mut method);
        }
        let (path, query) = (self.path(&route), self.query(&route));
        let mut head = format!("{method} {}{path}{query} HTTP/1.1\r\nHost: {}\r\n", self.prefix, self.host);
        let caller = self.below(route.callers.len());
        let authorization = match self.below(16) {
            0 => self.value(),
            1 => format!("Element {}", self.value()),
            2 => format!("{}, {}", route.callers[caller], route.callers[0]),
            _ => route.callers[caller].clone(),
        };
        head.extend(["Authorization: ", &authorization, "\r\n"]);
        if self.chance(4) {
            let (name, value) = HEADERS[self.below(HEADERS.len())];
            head.extend([name, ": ", value, "\r\n"]);
        }
        let (mut body, mut last) = (Vec::new(), false);
        if matches!(method.as_str(), "POST" | "PUT" | "PATCH") || self.chance(20) {
            let kind = self.pick(&TYPES);
            let kind = if self.chance(2) { "application/json" } else { kind };
            body = match self.below(20) {
                0 => "[".repeat(100_000).into_bytes(),
                1 => format!("{{\"name\":\"{}\"}}", "x".repeat(50_000)).into_bytes(),
                2 => vec![0xff, 0xfe, 0x00],
                3 => format!(
                    "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n\r\nx\r\n--b--\r\n",
                    self.value()
                )
                .into_bytes(),
                4 => b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nnever ended".to_vec(),
                _ => self.pick(&BODIES).as_bytes().to_vec(),
            };
            head.extend(["Content-Type: ", kind, "\r\n"]);
            if self.chance(50) {
                // Less than was promised; the sender has no more.
                head.push_str("Transfer-Encoding: chunked\r\n");
                body = b"zz\r\n\r\n".to_vec();
                last = true;
            } else {
                head.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
            }
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(body);
        Request { head: method == "HEAD", bytes, last }
    }
}

fn percent(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

//! Connections by the thousand that do nothing good, and a client that wants to be served meanwhile.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
    time::{Instant, timeout},
};

use crate::{
    alone,
    house::{CONTENTS, House},
    size, tell,
};

/// Twice what the gateway promises: the machine may be busy with other things.
const TOLERATED: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Silent,
    DrippingHead,
    HalfBody,
    DrippingBody,
    NeverReading,
    OtherProtocol,
    HalfHandshake,
    PrefaceOnly,
    IdleAfterOneCall,
}

const KINDS: [Kind; 9] = [
    Kind::Silent,
    Kind::DrippingHead,
    Kind::HalfBody,
    Kind::DrippingBody,
    Kind::NeverReading,
    Kind::OtherProtocol,
    Kind::HalfHandshake,
    Kind::PrefaceOnly,
    Kind::IdleAfterOneCall,
];

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "silent",
            Self::DrippingHead => "dripping head",
            Self::HalfBody => "half a body",
            Self::DrippingBody => "dripping body",
            Self::NeverReading => "never reading",
            Self::OtherProtocol => "TLS where there is none",
            Self::HalfHandshake => "half a TLS handshake",
            Self::PrefaceOnly => "the preface of HTTP/2 alone",
            Self::IdleAfterOneCall => "idle after a call",
        })
    }
}

/// Reads until the other side closes, one way or the other.
async fn closed(stream: &mut TcpStream) {
    let mut rest = [0; 512];
    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}

/// Misbehaves until it is closed.
async fn misbehave(mut stream: TcpStream, kind: Kind, host: &str, account: &str) {
    let first = match kind {
        Kind::Silent | Kind::NeverReading => String::new(),
        Kind::DrippingHead => format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nX-Drip: "),
        Kind::HalfBody | Kind::DrippingBody => format!(
            "POST /elements/api-v2/instances HTTP/1.1\r\nHost: {host}\r\nAuthorization: {account}\r\n\
             Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{\"name\": "
        ),
        Kind::PrefaceOnly => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        // The first bytes of a ClientHello that announces 512 of them.
        Kind::OtherProtocol | Kind::HalfHandshake => "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}".to_owned(),
        Kind::IdleAfterOneCall => format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    };
    if stream.write_all(first.as_bytes()).await.is_err() {
        return;
    }
    match kind {
        Kind::DrippingHead | Kind::DrippingBody => {
            let (mut from, mut to) = stream.into_split();
            let dripping = async {
                while to.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            };
            let mut rest = [0; 512];
            let reading = async { while from.read(&mut rest).await.is_ok_and(|read| read > 0) {} };
            tokio::select! { () = dripping => {} () = reading => {} }
        }
        Kind::NeverReading => {
            let request = format!(
                "GET /elements/api-v2/docs/assets/swagger-ui.css HTTP/1.1\r\nHost: {host}\r\nAuthorization: {account}\r\n\r\n"
            );
            while stream.write_all(request.as_bytes()).await.is_ok() {}
        }
        _ => closed(&mut stream).await,
    }
}

async fn connect(host: &str, kind: Kind) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    if kind == Kind::NeverReading {
        // Little fits in between.
        socket.set_recv_buffer_size(4096).unwrap();
        socket.set_send_buffer_size(4096).unwrap();
    }
    socket.connect(host.parse().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_connections_keep_nobody_out_and_are_closed() {
    let _turn = alone().await;
    let check = "bad connections";
    let (number, files) = (size(300, 2000), size(256, 1024));
    let mut house = House::embedded(false).await;
    house.open_files = files;
    let node = house.node(&[]).await;
    node.get(CONTENTS).await.expect(200);
    let host: Arc<str> = node.address().into();
    // Another process for those who speak TLS, with a share of the places that is theirs alone.
    let secrets = tempfile::tempdir().unwrap();
    let (certificate, key) = (secrets.path().join("crt"), secrets.path().join("key"));
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, issued.cert.pem()).unwrap();
    std::fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
    let mut other = House::embedded(false).await;
    // The process needs some thirty files for itself.
    other.open_files = (files / KINDS.len()).max(64);
    let tls = other
        .node(&[
            ("HUBGATE_SERVER__TLS_CERT_FILE", certificate.to_str().unwrap()),
            ("HUBGATE_SERVER__TLS_KEY_FILE", key.to_str().unwrap()),
        ])
        .await;
    let tls_host: Arc<str> = tls.address().into();

    let done = Arc::new(Semaphore::new(0));
    let good = {
        let (host, token, done) = (Arc::clone(&host), house.token.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut times = Vec::new();
            while done.available_permits() == 0 {
                let asked = Instant::now();
                let answer = timeout(TOLERATED, async {
                    let mut stream = TcpStream::connect(&*host).await.unwrap();
                    let head = format!(
                        "GET /elements/api-v2{CONTENTS} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\n\
                         Connection: close\r\n\r\n"
                    );
                    stream.write_all(head.as_bytes()).await.unwrap();
                    let mut answer = String::new();
                    stream.read_to_string(&mut answer).await.map(|_| answer)
                });
                let answer = answer.await.expect("the good client is kept waiting").expect("it is cut off");
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                times.push(asked.elapsed());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            times
        })
    };
    let bad = futures_util::future::join_all((0..number).map(|at| {
        let (kind, account) = (KINDS[at % KINDS.len()], house.account.clone());
        let host = Arc::clone(if kind == Kind::HalfHandshake { &tls_host } else { &host });
        tokio::spawn(async move {
            let stream = connect(&host, kind).await;
            let connected = Instant::now();
            let ended = timeout(TOLERATED, misbehave(stream, kind, &host, &account)).await;
            assert!(ended.is_ok(), "{kind}: still open after {TOLERATED:?}");
            (kind, connected.elapsed())
        })
    }))
    .await;
    done.add_permits(1);
    let mut times = good.await.unwrap();
    let mut longest: BTreeMap<Kind, Duration> = BTreeMap::new();
    for one in bad {
        let (kind, lasted) = one.unwrap();
        let longest = longest.entry(kind).or_default();
        *longest = lasted.max(*longest);
    }
    assert!(times.len() > 10, "only {} good calls: nothing is shown", times.len());
    times.sort();
    let longest: Vec<_> =
        longest.iter().map(|(kind, lasted)| format!("{kind} {:.1} s", lasted.as_secs_f64())).collect();
    tell(
        check,
        format_args!(
            "{number} of {} kinds at a process with {files} files: all closed, at the latest: {}; meanwhile {} good calls over new \
             connections, all 200, half of them in {} ms, 99 % in {} ms, the slowest in {} ms",
            KINDS.len(),
            longest.join(", "),
            times.len(),
            times[times.len() / 2].as_millis(),
            times[times.len() * 99 / 100].as_millis(),
            times[times.len() - 1].as_millis()
        ),
    );
}

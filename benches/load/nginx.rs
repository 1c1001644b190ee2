//! nginx as a plain keep-alive proxy, and with a cache.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    time::Duration,
};

use tokio::net::TcpStream;

use super::{
    Outcome, machine,
    process::{Process, command},
};

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    pub process: Process,
    /// Passes everything on.
    pub plain: SocketAddr,
    /// Answers from its cache.
    pub cached: SocketAddr,
}

/// A port that was free a moment ago.
pub fn free_port() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Waits until somebody listens.
pub async fn reachable(address: SocketAddr, process: &mut Process) -> Outcome<()> {
    for _ in 0..6_000 {
        if TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        process.check()?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(format!("nobody listens on {address}").into())
}

impl Nginx {
    /// Starts one worker per processor before `provider`.
    pub async fn start(home: &Path, provider: SocketAddr) -> Outcome<Self> {
        let program =
            machine::find("nginx").ok_or("nginx is missing: apt-get install --no-install-recommends nginx-light")?;
        let (plain, cached) = (free_port()?, free_port()?);
        let file = home.join("nginx.conf");
        fs::write(&file, configuration(home, provider, plain, cached))?;
        let mut command = command(program);
        command.arg("-c").arg(&file).arg("-e").arg(home.join("nginx.log"));
        let mut process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::inherit()))?;
        reachable(plain, &mut process).await?;
        Ok(Self { process, plain, cached })
    }
}

fn configuration(home: &Path, provider: SocketAddr, plain: SocketAddr, cached: SocketAddr) -> String {
    let home = home.display();
    // Only root may name the user of its workers, and the directories are ours alone.
    let user = if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        "user root;"
    } else {
        ""
    };
    format!(
        "{user}
daemon off;
pid {home}/nginx.pid;
worker_processes auto;
worker_rlimit_nofile 32768;
error_log {home}/nginx.log error;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  proxy_cache_path {home}/cache keys_zone=bench:10m;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_max_body_size 0;
  tcp_nodelay on;
  upstream provider {{
    server {provider};
    keepalive 512;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }}
  proxy_http_version 1.1;
  proxy_set_header Connection \"\";
  proxy_max_temp_file_size 0;
  server {{
    listen {plain} backlog=4096;
    location / {{ proxy_pass http://provider; }}
    location /files {{ proxy_pass http://provider; proxy_request_buffering off; }}
  }}
  server {{
    listen {cached} backlog=4096;
    location / {{ proxy_pass http://provider; proxy_cache bench; proxy_cache_valid 200 1h; }}
  }}
}}
"
    )
}

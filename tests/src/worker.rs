//! The fake worker as a process of its own: real server, real sockets, real signals.

use anyhow::{Context as _, Result, ensure};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long anything may take that should happen at once; generous, for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A page that the fake worker lets in although it is none of its own.
pub const ALLOWED_ORIGIN: &str = "http://127.0.0.1:7001";

/// A running server. Dropped, it is killed.
pub struct FakeWorker {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// The code of its launch address.
    pub code: String,
    data_dir: PathBuf,
}

impl FakeWorker {
    /// Starts a server on a data directory.
    pub async fn start(data_dir: &Path) -> Result<FakeWorker> {
        let mut child = command(data_dir)?.spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().context("no stdout")?);
        let mut line = String::new();
        timeout(PATIENCE, stdout.read_line(&mut line)).await.context("the worker does not come up")??;
        let (address, code) =
            line.trim().trim_start_matches("http://").split_once("/#code=").context("no launch address")?;
        Ok(FakeWorker { child, address: address.parse()?, code: code.to_owned(), data_dir: data_dir.to_owned() })
    }

    /// Starts a server that must fail; returns what it says.
    pub async fn start_refused(data_dir: &Path) -> Result<String> {
        let mut child = command(data_dir)?.stderr(Stdio::piped()).spawn()?;
        // Its stdin must stay open, or it would end by itself.
        let _stdin = child.stdin.take();
        let mut said = String::new();
        let mut stderr = child.stderr.take().context("no stderr")?;
        timeout(PATIENCE, stderr.read_to_string(&mut said)).await.context("the worker came up")??;
        ensure!(!child.wait().await?.success(), "the worker ended without an error");
        Ok(said)
    }

    /// The token, from its file.
    pub fn token(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.data_dir.join("token"))?.trim().to_owned())
    }

    /// The process.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills it as `kill -9` does.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Ends it in order.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        drop(self.child.stdin.take());
        Ok(timeout(PATIENCE, self.child.wait()).await.context("the worker does not end")??)
    }

    /// One HTTP exchange: `head` is the request line and further headers, each ending in CRLF.
    pub fn http(&self, head: &str) -> Result<HttpResponse> {
        let host = format!("Host: {}\r\n", self.address);
        let host = if head.to_ascii_lowercase().contains("\r\nhost:") { "" } else { &host };
        self.http_raw(&format!("{head}{host}Connection: close\r\n\r\n"))
    }

    /// One HTTP exchange, byte by byte as given.
    pub fn http_raw(&self, request: &str) -> Result<HttpResponse> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        HttpResponse::parse(&bytes)
    }
}

fn command(data_dir: &Path) -> Result<Command> {
    // Tests lie in `deps`, beside which the programs are.
    let exe = std::env::current_exe()?;
    let folder = exe.parent().and_then(Path::parent).context("no target folder")?;
    let program = folder.join(format!("fake_worker{}", std::env::consts::EXE_SUFFIX));
    ensure!(program.is_file(), "{} is missing", program.display());
    let mut command = Command::new(program);
    command.arg("serve").arg(data_dir).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    Ok(command)
}

/// What a server answered.
#[derive(Debug)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Everything after the head.
    pub body: Vec<u8>,
}

impl HttpResponse {
    fn parse(bytes: &[u8]) -> Result<HttpResponse> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").context("no end of the head")?;
        let head = std::str::from_utf8(&bytes[..end])?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status")?.parse()?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Ok(HttpResponse { status, headers, body: bytes[end + 4..].to_vec() })
    }

    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The code of the error in the body; empty where there is none.
    pub fn error_code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }
}

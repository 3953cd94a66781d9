//! The page in a folder that any static server serves: no worker, no fallback for unknown addresses.

use anyhow::{Context as _, Result};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// `python3 -m http.server` on a free port.
pub struct StaticSite {
    server: Child,
    port: u16,
}

impl StaticSite {
    /// Serves the page as it was built.
    pub fn start() -> Result<StaticSite> {
        StaticSite::start_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../frontend/dist"))
    }

    /// Serves any folder.
    pub fn start_in(folder: &Path) -> Result<StaticSite> {
        let mut server = Command::new("python3")
            .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("python3 does not start")?;
        // "Serving HTTP on 127.0.0.1 port 40403 (http://127.0.0.1:40403/) ..."
        let mut line = String::new();
        BufReader::new(server.stdout.take().context("python3 has no output")?).read_line(&mut line)?;
        let port = line.split(" port ").nth(1).and_then(|rest| rest.split(' ').next());
        let port = port.and_then(|port| port.parse().ok()).with_context(|| format!("no port in: {line}"))?;
        Ok(StaticSite { server, port })
    }

    /// The address of a path.
    pub fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for StaticSite {
    fn drop(&mut self) {
        // It serves files and has nothing to finish.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

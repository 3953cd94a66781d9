//! The real program `steerage`, as a user starts it.

use anyhow::{Context as _, Result, bail, ensure};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a worker may take to come up or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program of the same build as the test.
pub fn program() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("this program's own file")?;
    // Tests lie in `deps`, examples in `examples`, both beside the programs.
    let folder = exe.parent().and_then(Path::parent).context("a target folder")?;
    let program = folder.join(format!("steerage{}", std::env::consts::EXE_SUFFIX));
    ensure!(program.is_file(), "{} is missing; `cargo xtask test build` builds it", program.display());
    Ok(program)
}

/// `steerage serve` on a free port, with a data folder that the test owns.
pub struct Worker {
    child: Child,
    address: String,
}

impl Worker {
    /// Starts it and waits for the address that it prints.
    pub fn start(data_dir: &Path) -> Result<Worker> {
        Worker::start_on(data_dir, 0)
    }

    /// The same on a port of one's choice.
    pub fn start_on(data_dir: &Path, port: u16) -> Result<Worker> {
        Worker::start_with(data_dir, port, &[])
    }

    /// The same with more options.
    pub fn start_with(data_dir: &Path, port: u16, options: &[&str]) -> Result<Worker> {
        let mut child = Command::new(program()?)
            .args(["serve", "--port", &port.to_string(), "--data-dir"])
            .arg(data_dir)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("steerage does not start")?;
        let stdout = child.stdout.take().context("steerage has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = loop {
            let Some(line) = lines.next().transpose()? else {
                bail!("steerage ended ({}) before it printed an address", child.wait()?);
            };
            if let Some(address) = line.split_whitespace().find(|word| word.starts_with("http://")) {
                break address.to_owned();
            }
        };
        // Nobody reads on; the pipe stays open all the same, so that the worker can write.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Worker { child, address })
    }

    /// The address with the launch code, as it was printed.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The address of a page, without the launch code.
    pub fn page(&self, path: &str) -> String {
        let origin = self.address.split("/#").next().unwrap_or_default();
        format!("{origin}{path}")
    }

    /// The port that it listens on.
    pub fn port(&self) -> Result<u16> {
        let (_, port) = self.page("").rsplit_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).context("a port")?;
        port.parse().with_context(|| format!("no port in {}", self.page("")))
    }

    /// How many connections to it are open, as the system counts them (`/proc/net/tcp`: Linux only).
    pub fn connections(&self) -> Result<usize> {
        const ESTABLISHED: &str = "01";
        let table = std::fs::read_to_string("/proc/net/tcp").context("no table of the system's connections")?;
        let local = format!(":{:04X}", self.port()?);
        let is_open = |line: &&str| {
            let mut fields = line.split_whitespace().skip(1);
            fields.next().is_some_and(|address| address.ends_with(&local)) && fields.nth(1) == Some(ESTABLISHED)
        };
        Ok(table.lines().filter(is_open).count())
    }

    /// Ends it as Ctrl-C does, and checks that it ends well.
    pub fn stop(mut self) -> Result<()> {
        let interrupt = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status()?;
        ensure!(interrupt.success(), "the worker is not there to be interrupted");
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "after Ctrl-C the worker ended with {status}");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the worker still runs {} s after Ctrl-C", PATIENCE.as_secs())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

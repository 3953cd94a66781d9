//! `steerage serve`: the worker for browsers, on loopback.

use super::{CliError, print_line};
use crate::catalogue::catalogue;
use crate::checkpoint::Checkpoint;
use crate::device::Machine;
use crate::models::ModelStore;
use crate::server::{self, Origin, ServeError, ServeOptions};
use clap::Args;
use shared::event::ErrorBody;
use shared::wire::DeviceCard;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use tokio::net::TcpListener;

/// Where the page is served unless a port is given.
pub const DEFAULT_PORT: u16 = 7468;

/// Starts the worker and prints the page's address.
#[derive(Args)]
pub struct ServeArgs {
    /// Port on 127.0.0.1; 0 picks a free one.
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    /// Where runs and the token are kept [default: steerage in the user's data folder].
    #[arg(long, value_name = "DIR", env = "STEERAGE_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Lets pages of another origin attach, as those of another worker at http://127.0.0.1:7468; may be
    /// repeated. They need the token too.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    allowed_origins: Vec<Origin>,
}

pub fn serve(args: ServeArgs, machine: Machine) -> Result<(), CliError> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("steerage=info,worker=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    // Looked at before there are threads: see DeviceChoice::open.
    let device = machine.device.card();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("the server cannot start: {error}")))?;
    runtime.block_on(listen(args, machine, device))
}

async fn listen(args: ServeArgs, machine: Machine, device: DeviceCard) -> Result<(), CliError> {
    let data_dir = match args.data_dir {
        Some(directory) => directory,
        None => default_data_dir()?,
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let hint = "another worker may run there; choose a port with --port, or --port 0 for a free one";
        CliError::Failed(ErrorBody::new("bind", format!("cannot listen on {address}: {error}")).with_hint(hint))
    })?;
    let models = ModelStore::from_env();
    let cache_dir = models.cache_dir().to_owned();
    let (for_catalogue, for_tokenizer, for_file) = (models.clone(), models.clone(), models);
    let options = ServeOptions {
        data_dir,
        cache_dir,
        job_command: Vec::new(),
        job_env: machine.env(),
        allowed_origins: args.allowed_origins,
        device: Some(device),
        catalogue: Box::new(move || catalogue(&for_catalogue)),
        tokenizer: Box::new(move |name| {
            let bundle = Checkpoint::find(name, &for_tokenizer).and_then(|checkpoint| checkpoint.tokenizer());
            match bundle {
                Ok(Some(bundle)) => Ok(bundle),
                Ok(None) => Err(ErrorBody::new("tokenizer_unavailable", "the model has no tokenizer")),
                Err(error) => {
                    // The reason names files of this machine, so it stays here.
                    tracing::warn!(%error, model = name, "no tokenizer for the page");
                    Err(unreadable("tokenizer_unavailable", name))
                }
            }
        }),
        model_file: Box::new(move |name| match for_file.path(name) {
            Ok(path) if path.is_file() => Ok(path),
            Ok(_) => Err(ErrorBody::new("model_unavailable", format!("the model {name} consists of several files"))
                .with_hint("only models of a single file can be verified in a browser")),
            Err(error) => {
                tracing::warn!(%error, model = name, "no model file for the page");
                Err(unreadable("model_unavailable", name))
            }
        }),
        on_ready: Box::new(|ready| print_line(&ready.launch_url)),
    };
    server::serve(options, listener, shutdown()).await.map_err(|error| match error {
        ServeError::NotLoopback(_) => CliError::bad_input(error.to_string()),
        _ => CliError::failed(error.to_string()),
    })
}

fn unreadable(code: &str, name: &str) -> ErrorBody {
    let hint = format!("run `steerage models fetch {name}` where the worker runs");
    ErrorBody::new(code, format!("the worker cannot read the model {name}")).with_hint(hint)
}

/// Ctrl-C, or a polite `kill`. Listened for from this call on, so that whoever reads the address may end the worker at
/// once.
#[cfg(unix)]
fn shutdown() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async {
        match (interrupt, terminate) {
            (Ok(mut interrupt), Ok(mut terminate)) => tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            },
            _ => drop(tokio::signal::ctrl_c().await),
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
async fn shutdown() {
    let _ = tokio::signal::ctrl_c().await;
}

pub(super) fn default_data_dir() -> Result<PathBuf, CliError> {
    let home = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    home("XDG_DATA_HOME")
        .or_else(|| home("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("steerage"))
        .ok_or_else(|| CliError::bad_input("no data folder: set HOME or give --data-dir"))
}

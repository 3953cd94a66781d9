//! The worker as a server on loopback: the page, its API and one WebSocket a client.
//!
//! Only this module knows sockets. [`serve`] puts the parts together and takes them apart in order.

mod assets;
mod auth;
mod connections;
mod cors;
mod guard;
mod hello;
pub mod limits;
mod message;
mod model_files;
mod negotiate;
mod origin;
mod peer;
mod routes;
mod shares;
mod site;
mod socket;
mod tokenizers;

pub use site::site_files;

use crate::sessions::{Executor, JobCommand, Sessions};
use crate::store::{DataDirectory, Store, StoreError};
use auth::Gate;
use guard::Allowed;
pub use origin::{BadOrigin, Origin};
use shared::catalogue::Catalogue;
use shared::event::ErrorBody;
use shared::tokens::TokenizerBundle;
use shared::wire::DeviceCard;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokenizers::Tokenizers;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// Tells the tokenizer of a model of the catalogue; its errors are shown to clients, so they name no
/// files.
pub type TokenizerSource = Box<dyn Fn(&str) -> Result<TokenizerBundle, ErrorBody> + Send + Sync>;

/// Tells where the only file of a model of the catalogue lies; errors as for [`TokenizerSource`].
pub type ModelFileSource = Box<dyn Fn(&str) -> Result<PathBuf, ErrorBody> + Send + Sync>;

/// What a server needs to know.
pub struct ServeOptions {
    /// Where the log and the token are kept; created where it is missing.
    pub data_dir: PathBuf,
    /// Cache folder of the jobs, passed to them as `STEERAGE_CACHE_DIR`.
    pub cache_dir: PathBuf,
    /// Program and arguments of a job; empty: this program's own `job` command.
    pub job_command: Vec<OsString>,
    /// Environment variables of a job, on top of the worker's own.
    pub job_env: Vec<(OsString, OsString)>,
    /// Pages of other origins that may talk to this worker.
    pub allowed_origins: Vec<Origin>,
    /// Where jobs compute; nothing where that is not known.
    pub device: Option<DeviceCard>,
    /// Tells what the worker can do; called on a thread that may block.
    pub catalogue: Box<dyn Fn() -> Catalogue + Send + Sync>,
    /// Tells the tokenizer of a model; called on a thread that may block.
    pub tokenizer: TokenizerSource,
    /// Tells the file of a model, for clients that verify results themselves.
    pub model_file: ModelFileSource,
    /// Called once, when the server answers.
    pub on_ready: Box<dyn FnOnce(Ready) + Send>,
}

/// A server that answers. Not `Debug`: it holds a secret.
#[derive(Clone)]
pub struct Ready {
    /// Where it listens.
    pub address: SocketAddr,
    /// What to open in a browser: the address with the launch code in its fragment. Whoever has it
    /// may use the worker while this process lives.
    pub launch_url: String,
    /// The file with the token, for other clients.
    pub token_path: PathBuf,
}

/// Why the server could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Others could reach it.
    #[error("{0} can be reached from other machines; listen on 127.0.0.1 or [::1] and use an SSH tunnel")]
    NotLoopback(SocketAddr),
    /// The listener is unusable.
    #[error("the listener is unusable: {0}")]
    Listener(std::io::Error),
    /// No program to run jobs with.
    #[error("this program's own file cannot be found: {0}")]
    OwnProgram(std::io::Error),
    /// The log cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token cannot be read or made.
    #[error(transparent)]
    Auth(#[from] auth::AuthError),
    /// Runs are no longer worked on.
    #[error("a defect of the worker: what works on runs has ended; see the log, and start the worker again")]
    Executor,
}

/// What every request and socket shares.
struct State {
    store: Store,
    sessions: Sessions,
    gate: Gate,
    allowed: Allowed,
    device: Option<DeviceCard>,
    tokenizers: Tokenizers,
    model_file: ModelFileSource,
    assets: assets::Assets,
    /// One permit a socket.
    sockets: Arc<Semaphore>,
    /// True once sockets are to close.
    stop: watch::Receiver<bool>,
}

/// Serves until `shutdown` resolves, then ends in order: the running job (its run was interrupted),
/// the sockets, the log.
pub async fn serve(
    options: ServeOptions,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let job = job_command(&options)?;
    let directory = DataDirectory::lock(&options.data_dir)?;
    let token_path = options.data_dir.join(auth::TOKEN_FILE);
    let gate = Gate::open(&token_path)?;
    let launch_url = format!("http://{address}/#code={}", gate.launch_code());
    let store = Store::open(directory)?;

    let (stop_jobs, jobs_stopped) = watch::channel(false);
    let (stop_sockets, stop) = watch::channel(false);
    let mut executor = tokio::spawn(Executor::new(store.clone(), job, jobs_stopped).run());
    let state = Arc::new(State {
        sessions: Sessions::new(store.clone(), Arc::from(options.catalogue)),
        store: store.clone(),
        gate,
        allowed: Allowed::at_port(address.port(), options.allowed_origins),
        device: options.device,
        tokenizers: Tokenizers::new(options.tokenizer),
        model_file: options.model_file,
        assets: assets::Assets::default(),
        sockets: Arc::new(Semaphore::new(limits::MAX_SOCKETS)),
        stop,
    });
    tracing::info!(%address, "listening");
    (options.on_ready)(Ready { address, launch_url, token_path });

    let mut executor_ended = false;
    let until = async {
        tokio::select! {
            () = shutdown => {}
            // A server whose queue stands still is worse than none.
            _ = &mut executor => executor_ended = true,
        }
    };
    let open = connections::accept(&listener, &state, until).await;
    drop(listener);
    tracing::info!("stopping");
    stop_jobs.send_replace(true);
    let executor_failed = executor_ended || executor.await.is_err();
    stop_sockets.send_replace(true);
    connections::close(open, &state).await;
    store.close().await;
    if executor_failed { Err(ServeError::Executor) } else { Ok(()) }
}

fn job_command(options: &ServeOptions) -> Result<JobCommand, ServeError> {
    let command = if options.job_command.is_empty() {
        let program = std::env::current_exe().map_err(ServeError::OwnProgram)?;
        vec![program.into_os_string(), OsString::from("job")]
    } else {
        options.job_command.clone()
    };
    let mut env = vec![(OsString::from("STEERAGE_CACHE_DIR"), options.cache_dir.clone().into_os_string())];
    env.extend(options.job_env.iter().cloned());
    let private_folders = vec![options.cache_dir.clone(), options.data_dir.clone(), std::env::temp_dir()];
    Ok(JobCommand { command, env, private_folders, journals: options.data_dir.join("journals") })
}

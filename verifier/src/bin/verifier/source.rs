//! Where model files come from. Whatever it is, only bytes with the right hash are taken.

use crate::{Ended, State, kept, now_ms, say, scope};
use shared::event::ErrorBody;
use shared::verification::messages::{Said, Source, WorkerAccess};
use verifier::Hasher;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, Headers, ReadableStream, ReadableStreamDefaultReader, Request, RequestInit, Response};

/// A larger file has no place in the memory of a 32-bit program once its weights are unpacked.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// What a GGUF file begins with; what else a server sends in its place is no model.
const MAGIC: &[u8] = b"GGUF";

/// Time between two messages about a download, in milliseconds.
const PROGRESS_EVERY_MS: f64 = 100.0;

/// What is looked for, and for whom.
pub struct Wanted<'a> {
    pub state: &'a State,
    pub work: u64,
    /// Name of the model.
    pub name: &'a str,
    /// SHA-256 of its file, in lower-case hex.
    pub hash: &'a str,
}

/// A file that is the right one.
pub struct Arrived {
    pub bytes: Vec<u8>,
    pub source: Source,
    /// Whether the browser has it for the next time.
    pub kept: bool,
}

/// Gets the file from where it is nearest.
pub async fn get(wanted: &Wanted<'_>, worker: Option<WorkerAccess>, picked: Option<File>) -> Result<Arrived, Ended> {
    if let Some(file) = picked {
        let bytes = read(wanted, Source::Picked, &file.stream(), file.size() as u64).await?;
        return take(wanted, Source::Picked, bytes).await;
    }
    let mut refusals = Vec::new();
    for source in [Source::Browser, Source::Worker, Source::Folder] {
        let Some(response) = open(wanted, source, worker.as_ref()).await else { continue };
        let outcome = match response.body() {
            Some(body) => {
                let length = response.headers().get("content-length").ok().flatten();
                let total = length.and_then(|length| length.parse().ok()).unwrap_or(0);
                read(wanted, source, &body, total).await
            }
            None => continue,
        };
        let arrived = match outcome {
            Ok(bytes) => take(wanted, source, bytes).await,
            Err(ended) => Err(ended),
        };
        match arrived {
            // Another source may have the right one.
            Err(Ended::Failed(error)) => {
                if source == Source::Browser {
                    kept::remove(wanted.hash).await;
                }
                refusals.push(error);
            }
            other => return other,
        }
    }
    Err(refusals.into_iter().next().unwrap_or_else(|| nowhere(wanted)).into())
}

fn nowhere(wanted: &Wanted<'_>) -> ErrorBody {
    let message = format!("No source has the file of {}: no worker, no folder beside this page.", wanted.name);
    ErrorBody::new("no_model_source", message).with_hint(
        "Pick the file on this computer, or open this page from a worker that has the model (`steerage models fetch`).",
    )
}

/// A response that holds a file; nothing where the source has none.
async fn open(wanted: &Wanted<'_>, source: Source, worker: Option<&WorkerAccess>) -> Option<Response> {
    let name = String::from(js_sys::encode_uri_component(wanted.name));
    let response: Response = match source {
        Source::Browser => return kept::get(wanted.hash).await,
        Source::Worker => {
            let headers = Headers::new().ok()?;
            let WorkerAccess { origin, authorization } = worker?;
            headers.set("authorization", authorization).ok()?;
            let init = RequestInit::new();
            init.set_headers(&headers);
            let request = Request::new_with_str_and_init(&format!("{origin}/api/models/{name}/file"), &init).ok()?;
            JsFuture::from(scope().fetch_with_request(&request)).await.ok()?.dyn_into().ok()?
        }
        Source::Folder => {
            let fetched = JsFuture::from(scope().fetch_with_str(&format!("/model/{name}.gguf")));
            fetched.await.ok()?.dyn_into().ok()?
        }
        Source::Picked => return None,
    };
    response.ok().then_some(response)
}

/// Reads a stream to its end, piece by piece.
async fn read(
    wanted: &Wanted<'_>,
    source: Source,
    stream: &ReadableStream,
    total_bytes: u64,
) -> Result<Vec<u8>, Ended> {
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let outcome = read_pieces(wanted, source, &reader, total_bytes).await;
    if outcome.is_err() {
        // Nobody waits for the rest.
        JsFuture::from(reader.cancel()).await.ok();
    }
    outcome
}

async fn read_pieces(
    wanted: &Wanted<'_>,
    source: Source,
    reader: &ReadableStreamDefaultReader,
    total_bytes: u64,
) -> Result<Vec<u8>, Ended> {
    let work = wanted.work;
    let mut bytes: Vec<u8> = Vec::new();
    // In one piece where the size is known: growing would hold it twice.
    if total_bytes > MAX_FILE_BYTES || bytes.try_reserve_exact(total_bytes as usize).is_err() {
        return Err(too_large(total_bytes).into());
    }
    let mut said_ms = f64::NEG_INFINITY;
    loop {
        let piece = JsFuture::from(reader.read()).await.map_err(|_| broke_off(source))?;
        wanted.state.check(work)?;
        let field = |name: &str| js_sys::Reflect::get(&piece, &JsValue::from_str(name)).unwrap_or_default();
        if field("done").is_truthy() {
            break;
        }
        let Ok(piece) = field("value").dyn_into::<js_sys::Uint8Array>() else { break };
        let (before, more) = (bytes.len(), piece.length() as usize);
        if (before + more) as u64 > MAX_FILE_BYTES || bytes.try_reserve(more).is_err() {
            return Err(too_large((before + more) as u64).into());
        }
        bytes.resize(before + more, 0);
        piece.copy_to(&mut bytes[before..]);
        if now_ms() - said_ms >= PROGRESS_EVERY_MS {
            said_ms = now_ms();
            say(&Said::Loading { work, source, bytes: bytes.len() as u64, total_bytes });
        }
    }
    Ok(bytes)
}

/// Takes a file that has the right hash, and keeps it for the next time.
async fn take(wanted: &Wanted<'_>, source: Source, bytes: Vec<u8>) -> Result<Arrived, Ended> {
    if !bytes.starts_with(MAGIC) {
        let message = format!("What came {} is no model file (GGUF).", source.phrase());
        return Err(ErrorBody::new("wrong_model", message).into());
    }
    let mut hasher = Hasher::default();
    hasher.update(&bytes);
    let found = hasher.finish();
    if found != wanted.hash {
        let message = format!(
            "The file {} is not the one that the recording was made with: its SHA-256 is {found}, expected {}.",
            source.phrase(),
            wanted.hash
        );
        return Err(ErrorBody::new("wrong_model", message)
            .with_hint("Nothing was computed with it. `steerage models verify` says which file is the right one.")
            .into());
    }
    let kept = source == Source::Browser || kept::put(wanted.hash, &bytes).await;
    wanted.state.check(wanted.work)?;
    Ok(Arrived { bytes, source, kept })
}

fn broke_off(source: Source) -> ErrorBody {
    ErrorBody::new("model_unreachable", format!("The model {} broke off on its way.", source.phrase()))
        .with_hint("Check the connection and try again.")
}

fn too_large(bytes: u64) -> ErrorBody {
    let message = format!("The model's file has {} MB, more than this browser can hold.", bytes / 1_000_000);
    ErrorBody::new("model_too_large", message).with_hint("`steerage score` computes the same numbers on a machine.")
}

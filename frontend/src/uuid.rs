//! Ids of commands.

/// The UUID of nothing, for measuring how long a message is.
pub const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// A random UUID, version 4 (RFC 9562, section 5.4).
pub fn v4() -> String {
    let mut bytes = [0; 16];
    if let Ok(crypto) = leptos::prelude::window().crypto() {
        crypto.get_random_values_with_u8_array(&mut bytes).ok();
    }
    from_random(bytes)
}

fn from_random(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn version_and_variant_are_set() {
        assert_eq!(from_random([0xFF; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(from_random([0; 16]), "00000000-0000-4000-8000-000000000000");
    }

    #[cfg(target_arch = "wasm32")]
    #[test]
    fn two_are_different() {
        assert_ne!(v4(), v4());
    }
}

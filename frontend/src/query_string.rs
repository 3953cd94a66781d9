//! The part of an address after its question mark: names and values, percent-encoded.

/// Reads names and values; a name without a value has an empty one.
pub fn read(query: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    };
    query.split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

/// Writes names and values, in their order.
pub fn write(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

/// Percent-encodes all but what stands for itself in every part of an address (RFC 3986, section 2.3).
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The reverse, also of what forms write: `+` is a space. A `%` that begins nothing stands for itself.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let escaped = hex.filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        at += if escaped.is_some() { 3 } else { 1 };
        out.push(escaped.unwrap_or(if byte == b'+' { b' ' } else { byte }));
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_character_survives_and_no_browser_changes_what_is_written() {
        let (common, others) = (0..0x800, (0x800..=char::MAX as u32).step_by(97));
        for c in common.chain(others).filter_map(char::from_u32) {
            let (name, value) = (format!("{c}n"), format!("a{c}"));
            let text = write(&[(&name, &value), ("b", "")]);
            assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~%=&".contains(c)), "{text}");
            assert_eq!(read(&text), [(name, value), ("b".to_owned(), String::new())], "{text}");
        }
    }

    #[test]
    fn what_others_wrote_is_read_as_well_as_can_be() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read("q=a+b%zz%&&x&=y&z=1=2"),
            [pair("q", "a b%zz%"), pair("x", ""), pair("", "y"), pair("z", "1=2"),]
        );
        assert_eq!(read("q=%ff%é"), [pair("q", "\u{fffd}%é")], "half a character, and a % before a whole one");
        assert_eq!(read(""), []);
    }
}

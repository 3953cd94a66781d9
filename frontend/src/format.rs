//! Numbers and times as a person reads them.

/// A whole number with thousands separators.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A cross-entropy, in nats a token.
pub fn nats(value: f64) -> String {
    format!("{value:.3}")
}

/// A difference of cross-entropies with its sign; a minus sign, not a hyphen.
pub fn signed_nats(value: f64) -> String {
    let sign = if value < 0.0 { '−' } else { '+' };
    format!("{sign}{:.3}", value.abs())
}

/// A share as a percentage; it may lie outside 0 to 1.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let sign = if percent.round() < 0.0 { "−" } else { "" };
    format!("{sign}{:.0} %", percent.abs())
}

/// A number that may be absent.
pub fn or_dash(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), show)
}

/// A duration, in the two largest units that matter.
pub fn duration(secs: f64) -> String {
    let secs = secs.max(0.0).round() as u64;
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min {:02} s", secs / 60, secs % 60),
        _ => format!("{} h {:02} min", secs / 3600, secs % 3600 / 60),
    }
}

/// How long ago something was.
pub fn ago(secs: f64) -> String {
    match secs {
        ..10.0 => "just now".to_owned(),
        ..60.0 => format!("{secs:.0} s ago"),
        ..3600.0 => format!("{:.0} min ago", (secs / 60.0).floor()),
        ..86400.0 => format!("{:.0} h ago", (secs / 3600.0).floor()),
        _ => format!("{:.0} d ago", (secs / 86400.0).floor()),
    }
}

/// A size, in decimal megabytes.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1000, 49_152, 1_234_567].map(count),
            ["0", "999", "1,000", "49,152", "1,234,567"].map(str::to_owned)
        );
        assert_eq!((signed_nats(-0.1234), signed_nats(0.5)), ("−0.123".to_owned(), "+0.500".to_owned()));
        assert_eq!([0.631, -0.2, -0.001, 1.4].map(percent), ["63 %", "−20 %", "0 %", "140 %"].map(str::to_owned));
        assert_eq!(or_dash(None, nats), "–");
    }

    #[test]
    fn times_read_well() {
        assert_eq!(
            [0.4, 59.4, 61.0, 3599.0, 7260.0].map(duration),
            ["0 s", "59 s", "1 min 01 s", "59 min 59 s", "2 h 01 min"].map(str::to_owned)
        );
        assert_eq!(
            [3.0, 42.0, 119.0, 7300.0, 200_000.0].map(ago),
            ["just now", "42 s ago", "1 min ago", "2 h ago", "2 d ago"].map(str::to_owned)
        );
    }
}

//! How long to wait before trying to connect again.

/// Longest wait, in milliseconds.
pub const MAX_DELAY_MS: f64 = 20_000.0;

/// Failed attempts after which the page calls itself offline; it goes on trying.
pub const OFFLINE_AFTER_ATTEMPTS: u32 = 5;

const FIRST_DELAY_MS: f64 = 500.0;

/// Wait before the attempt that follows `failed_attempts` failed ones, in milliseconds.
///
/// Doubles from half a second, and `jitter` (0 to 1) takes up to half of it away, so that many pages
/// do not return to a restarted worker in the same moment.
pub fn delay_ms(failed_attempts: u32, jitter: f64) -> f64 {
    let doublings = failed_attempts.saturating_sub(1).min(16);
    let full = (FIRST_DELAY_MS * f64::from(1u32 << doublings)).min(MAX_DELAY_MS);
    full * (1.0 - 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn it_doubles_up_to_the_longest_wait() {
        let waits: Vec<f64> = (1..=8).map(|failed| delay_ms(failed, 0.0)).collect();
        assert_eq!(waits, [500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16_000.0, 20_000.0, 20_000.0]);
        assert_eq!(delay_ms(u32::MAX, 0.0), MAX_DELAY_MS);
    }

    #[test]
    fn jitter_takes_at_most_half_away() {
        assert_eq!(delay_ms(3, 1.0), 1000.0);
        assert_eq!(delay_ms(3, 0.5), 1500.0);
        assert_eq!(delay_ms(3, 7.0), 1000.0, "out of range counts as 1");
    }
}

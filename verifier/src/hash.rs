//! SHA-256 of a file that comes in pieces.

use sha2::{Digest, Sha256};

/// Takes the pieces in order.
#[derive(Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes a piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of all pieces, in lower-case hex.
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_do_not_matter() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for pieces in [&[&b"abc"[..]][..], &[b"a", b"", b"bc"]] {
            let mut hasher = Hasher::default();
            pieces.iter().for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finish(), expected);
        }
    }
}

//! The nonces that DPoP proofs may have to carry (RFC 9449 section 9).

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis_engine::Nonces;

/// How long a nonce is current, in seconds. It is accepted for as long again.
const NONCE_SECONDS: u64 = 120;
/// Shortest key of nonces, in bytes.
pub const MIN_NONCE_KEY_BYTES: usize = 32;

/// Nonces that need no memory: each is the HMAC-SHA256 of its slot of time, so that all processes
/// with the same key give out and accept the same ones.
pub struct KeyedNonces(hmac::Key);

impl KeyedNonces {
    /// Nonces under that key; `None` where it is shorter than [`MIN_NONCE_KEY_BYTES`].
    #[must_use]
    pub fn new(key: &[u8]) -> Option<Self> {
        (key.len() >= MIN_NONCE_KEY_BYTES).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    fn of(&self, slot: u64) -> String {
        let message = [b"portcullis dpop nonce ".as_slice(), &slot.to_be_bytes()].concat();
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, &message))
    }
}

impl Nonces for KeyedNonces {
    fn accepts(&self, nonce: &str, now: u64) -> bool {
        let slot = now / NONCE_SECONDS;
        [Some(slot), slot.checked_sub(1)]
            .into_iter()
            .flatten()
            .any(|slot| {
                aws_lc_rs::constant_time::verify_slices_are_equal(
                    self.of(slot).as_bytes(),
                    nonce.as_bytes(),
                )
                .is_ok()
            })
    }

    fn current(&self, now: u64) -> String {
        self.of(now / NONCE_SECONDS)
    }
}

impl fmt::Debug for KeyedNonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedNonces(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn a_nonce_is_good_for_its_slot_and_the_next() {
        assert!(KeyedNonces::new(&[7; MIN_NONCE_KEY_BYTES - 1]).is_none());
        let nonces = KeyedNonces::new(&[7; MIN_NONCE_KEY_BYTES]).unwrap();
        let start = NOW / NONCE_SECONDS * NONCE_SECONDS;
        let nonce = nonces.current(start);
        assert!(nonces.accepts(&nonce, start));
        assert!(nonces.accepts(&nonce, start + 2 * NONCE_SECONDS - 1));
        for now in [start - 1, start + 2 * NONCE_SECONDS] {
            assert!(!nonces.accepts(&nonce, now));
        }
        assert!(!nonces.accepts("", start) && !nonces.accepts(&nonce[1..], start));
        let other = KeyedNonces::new(&[8; MIN_NONCE_KEY_BYTES]).unwrap();
        assert!(!other.accepts(&nonce, start));
    }
}

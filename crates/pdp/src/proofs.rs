//! DPoP proofs that were accepted, so that none is accepted twice (RFC 9449 section 11.1), and the
//! nonces that proofs may have to carry (RFC 9449 section 9).
//!
//! The store knows the proofs of this process: another instance of a Lambda function, or another
//! replica of the decision service, has its own. Nonces make the window short where that matters.

use std::collections::HashSet;
use std::fmt;
use std::sync::Mutex;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis_engine::{Nonces, ProofId, ProofUse};

/// Most proofs that are remembered. With all of them taken, proofs are refused: to forget one would
/// be to accept its replay.
pub const MAX_PROOFS: usize = 200_000;
/// Proofs are forgotten together, this many seconds at a time.
const SLOT_SECONDS: u64 = 128;

/// The proofs that were accepted not long ago.
#[derive(Default)]
pub struct ProofStore(Mutex<Slots>);

/// Proofs by the slot of time in which they become too old. A proof lives for little more than a
/// minute, so that it belongs to one of few slots.
#[derive(Default)]
struct Slots {
    slots: Vec<(u64, HashSet<ProofId>)>,
    /// The latest time seen: a clock that is set back does not bring proofs back to life.
    latest: u64,
}

impl ProofStore {
    /// Takes note of a proof that must not be accepted again up to `until` (seconds since 1970).
    pub fn note(&self, proof: ProofId, until: u64, now: u64) -> ProofUse {
        let Ok(mut store) = self.0.lock() else {
            return ProofUse::NoRoom;
        };
        store.latest = store.latest.max(now);
        let latest = store.latest;
        if until < latest {
            // It was forgotten already; by the latest clock it is too old.
            return ProofUse::Repeated;
        }
        store
            .slots
            .retain(|(slot, _)| (slot + 1).saturating_mul(SLOT_SECONDS) > latest);
        let known = |(_, proofs): &(u64, HashSet<ProofId>)| proofs.contains(&proof);
        if store.slots.iter().any(known) {
            return ProofUse::Repeated;
        }
        let taken: usize = store.slots.iter().map(|(_, proofs)| proofs.len()).sum();
        if taken >= MAX_PROOFS {
            return ProofUse::NoRoom;
        }
        let slot = until / SLOT_SECONDS;
        match store.slots.iter_mut().find(|(number, _)| *number == slot) {
            Some((_, proofs)) => {
                proofs.insert(proof);
            }
            None => store.slots.push((slot, HashSet::from([proof]))),
        }
        ProofUse::First
    }
}

impl fmt::Debug for ProofStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofStore(..)")
    }
}

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

    fn id(number: usize) -> ProofId {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        ProofId::new(digest)
    }

    #[test]
    fn a_proof_is_first_once_for_as_long_as_it_could_be_accepted() {
        let store = ProofStore::default();
        for until in [NOW + 65, NOW + 360] {
            let proof = id(usize::try_from(until).unwrap());
            assert_eq!(store.note(proof, until, NOW), ProofUse::First);
            for now in [NOW, NOW + 64, until] {
                assert_eq!(store.note(proof, until, now), ProofUse::Repeated, "{now}");
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_back_brings_nothing_back() {
        let store = ProofStore::default();
        assert_eq!(store.note(id(1), NOW + 65, NOW), ProofUse::First);
        // An hour later it is forgotten, and the clock goes back to when it was new.
        assert_eq!(store.note(id(2), NOW + 3665, NOW + 3600), ProofUse::First);
        assert_eq!(store.note(id(1), NOW + 65, NOW), ProofUse::Repeated);
    }

    #[test]
    fn a_full_store_refuses_and_has_room_again_later() {
        let store = ProofStore::default();
        for number in 0..MAX_PROOFS {
            assert_eq!(store.note(id(number), NOW + 65, NOW), ProofUse::First);
        }
        assert_eq!(store.note(id(MAX_PROOFS), NOW + 65, NOW), ProofUse::NoRoom);
        assert_eq!(store.note(id(0), NOW + 65, NOW), ProofUse::Repeated);
        let later = NOW + 65 + SLOT_SECONDS;
        assert_eq!(
            store.note(id(MAX_PROOFS), later + 65, later),
            ProofUse::First
        );
    }

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

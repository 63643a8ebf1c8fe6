//! DPoP proofs that were accepted, so that none is accepted twice (RFC 9449 section 11.1).
//!
//! The store knows the proofs of this process: another instance of a Lambda function, or another
//! replica of the decision service, has its own. Nonces ([`portcullis_engine::Nonces`]) make the window short where that
//! matters.

use std::collections::HashSet;
use std::fmt;
use std::sync::Mutex;

use portcullis_engine::{ProofId, ProofUse};

/// Most proofs that are remembered. With all of them taken, proofs are refused: to forget one would
/// be to accept its replay. At the edge there is less memory.
pub const MAX_PROOFS: usize = if cfg!(target_family = "wasm") {
    20_000
} else {
    200_000
};
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
}

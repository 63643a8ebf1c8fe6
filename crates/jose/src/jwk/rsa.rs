//! What an RSA key must be beyond its encoding: large enough, with a sane exponent, and not made
//! by the generator with the ROCA flaw (RFC 8725 section 3.4, RFC 8017 section 3.1).

use super::JwkError;

/// The accepted lengths of a modulus in bits (RFC 7518 section 3.3).
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The longest exponent in bytes. 65537 is three; nobody needs more than four, and a long one
/// makes every verification slow.
const MAX_EXPONENT_BYTES: usize = 4;

/// Checks a modulus and an exponent, big-endian and without leading zeros.
pub(super) fn check(modulus: &[u8], exponent: &[u8]) -> Result<(), JwkError> {
    let bits = bit_len(modulus);
    if !MODULUS_BITS.contains(&bits) {
        return Err(JwkError::RsaModulusSize { bits });
    }
    if is_even(modulus) {
        return Err(JwkError::InvalidKey);
    }
    if exponent.len() > MAX_EXPONENT_BYTES || is_even(exponent) || exponent == [1] {
        return Err(JwkError::RsaExponent);
    }
    if has_roca_fingerprint(modulus) {
        return Err(JwkError::Roca);
    }
    Ok(())
}

fn bit_len(number: &[u8]) -> usize {
    number
        .first()
        .map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|last| last % 2 == 0)
}

/// The fingerprint of CVE-2017-15361: the flawed generator makes primes that are powers of 65537
/// modulo each small prime, and so is their product. A sound modulus passes for one of them with a
/// probability of about one in 2^27.
fn has_roca_fingerprint(modulus: &[u8]) -> bool {
    SMALL_PRIMES
        .iter()
        .all(|&prime| is_power_of_generator(remainder(modulus, prime), prime))
}

/// The odd primes up to 167. All of them divide the constant that the generator uses for keys of
/// any length.
const SMALL_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

fn remainder(number: &[u8], divisor: u32) -> u32 {
    number
        .iter()
        .fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % divisor)
}

fn is_power_of_generator(residue: u32, prime: u32) -> bool {
    let mut power = 1;
    loop {
        if power == residue {
            return true;
        }
        power = power * (65537 % prime) % prime;
        if power == 1 {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modulus(bits: usize) -> Vec<u8> {
        let mut modulus = vec![0; bits.div_ceil(8)];
        modulus[0] = 1 << ((bits - 1) % 8);
        *modulus.last_mut().unwrap() |= 1;
        modulus
    }

    #[test]
    fn bounds_the_modulus() {
        for bits in [1024, 2047, 8193, 16384] {
            assert_eq!(
                check(&modulus(bits), &[1, 0, 1]),
                Err(JwkError::RsaModulusSize { bits }),
                "{bits}"
            );
        }
        for bits in [2048, 2049, 4096, 8192] {
            assert_eq!(check(&modulus(bits), &[1, 0, 1]), Ok(()), "{bits}");
        }
        let mut even = modulus(2048);
        *even.last_mut().unwrap() = 2;
        assert_eq!(check(&even, &[1, 0, 1]), Err(JwkError::InvalidKey));
    }

    #[test]
    fn bounds_the_exponent() {
        for exponent in [&[1][..], &[2], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
            assert_eq!(
                check(&modulus(2048), exponent),
                Err(JwkError::RsaExponent),
                "{exponent:?}"
            );
        }
        for exponent in [&[3][..], &[17], &[1, 0, 1], &[0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(check(&modulus(2048), exponent), Ok(()), "{exponent:?}");
        }
    }

    #[test]
    fn a_power_of_65537_has_the_fingerprint() {
        // 65537^128 is 2049 bits long.
        let mut power = vec![1_u8];
        for _ in 0..128 {
            let mut product = [&[0, 0][..], &power].concat();
            let mut carry = 0;
            for place in (0..product.len()).rev() {
                // x * 65537 = x * 65536 + x
                let shifted = power.get(place).copied().unwrap_or(0);
                let sum = u32::from(product[place]) + u32::from(shifted) + carry;
                product[place] = sum.to_le_bytes()[0];
                carry = sum >> 8;
            }
            let start = product.iter().position(|byte| *byte != 0).unwrap();
            power = product.split_off(start);
        }
        assert_eq!(bit_len(&power), 2049);
        assert_eq!(check(&power, &[1, 0, 1]), Err(JwkError::Roca));
    }
}

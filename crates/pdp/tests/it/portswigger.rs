//! The laboratories of `PortSwigger`'s Web Security Academy on JWT attacks, by their names there.
//! In each, `wiener` holds a genuine token that does not open `/admin`, and forges one that should.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use num_bigint::BigUint;
use portcullis_model::ReasonCode;
use serde_json::{Value, json};

use crate::attack::{
    ADMIN, GENUINE, KID, MALLORY, PLANETS, RsaKey, Stage, encode, hmac_tokens, key_set, parts, pem,
    summary, tampered, unsigned, with, without,
};

/// The stage, on which `wiener` gets as far as he may, and an administrator further.
async fn stage() -> Stage {
    let stage = Stage::publishing(key_set(&[GENUINE.unbound_jwk(KID)])).await;
    stage.control().await;
    let token = wiener(&stage);
    let mut outcomes = Vec::new();
    for url in [PLANETS, ADMIN] {
        outcomes.push(summary(&stage.decide(url, Some(&token)).await));
    }
    assert_eq!(outcomes, ["permit", "403 missing_group"]);
    stage
}

/// The genuine token to start from.
fn wiener(stage: &Stage) -> String {
    GENUINE.sign(&stage.header(), &stage.plain_claims())
}

/// The claims that the attacker would like to have.
fn administrator(stage: &Stage) -> Value {
    with(&stage.claims(), "sub", "administrator")
}

#[tokio::test]
async fn authentication_bypass_via_unverified_signature() {
    let stage = stage().await;
    let forged = tampered(&wiener(&stage), &administrator(&stage));
    stage.attack(&forged, ReasonCode::InvalidSignature).await;
    // The signature of another genuine token fits no better.
    let other = stage.token();
    let [header, claims, _] = parts(&forged);
    let forged = format!("{header}.{claims}.{}", parts(&other)[2]);
    stage.attack(&forged, ReasonCode::InvalidSignature).await;
    stage.finish().await;
}

#[tokio::test]
async fn authentication_bypass_via_flawed_signature_verification() {
    let stage = stage().await;
    for alg in ["none", "None", "NONE", "nOnE"] {
        let header = with(&stage.header(), "alg", alg);
        let forged = unsigned(&header, &administrator(&stage));
        stage.attack(&forged, ReasonCode::MalformedToken).await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn authentication_bypass_via_weak_signing_key() {
    let stage = stage().await;
    for secret in ["secret1", "secret", "your-256-bit-secret"] {
        for header in [
            stage.header(),
            without(&stage.header(), "kid"),
            json!({ "alg": "HS256" }),
        ] {
            for forged in hmac_tokens(&header, &administrator(&stage), secret.as_bytes()) {
                stage.attack(&forged, ReasonCode::UnknownKey).await;
            }
        }
    }
    stage.finish().await;
}

#[tokio::test]
async fn authentication_bypass_via_jwk_header_injection() {
    let stage = stage().await;
    for (kid, reason) in [
        (KID, ReasonCode::InvalidSignature),
        (
            "893d8f0b-061f-42c2-a4aa-5056e12b8ae7",
            ReasonCode::UnknownKey,
        ),
    ] {
        let header = json!({
            "alg": "RS256", "typ": "at+jwt", "kid": kid, "jwk": MALLORY.unbound_jwk(kid),
        });
        let forged = MALLORY.sign(&header, &administrator(&stage));
        stage.attack(&forged, reason).await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn authentication_bypass_via_jku_header_injection() {
    // The canary serves the attacker's key under the issuer's name for its own.
    let stage = stage().await;
    for (kid, reason) in [
        (KID, ReasonCode::InvalidSignature),
        ("mallory", ReasonCode::UnknownKey),
    ] {
        let header = json!({
            "alg": "RS256", "typ": "at+jwt", "kid": kid,
            "jku": format!("{}/jwks.json", stage.canary.url()),
        });
        let forged = MALLORY.sign(&header, &administrator(&stage));
        stage.attack(&forged, reason).await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn authentication_bypass_via_kid_header_path_traversal() {
    let stage = stage().await;
    // In the laboratory the secret is one null byte, which is what `AA==` encodes.
    for kid in ["../../../../../../../dev/null", "/dev/null", "../k1"] {
        let header = with(&stage.header(), "kid", kid);
        for secret in [&b"\0"[..], b"", b"AA=="] {
            for forged in hmac_tokens(&header, &administrator(&stage), secret) {
                stage.attack(&forged, ReasonCode::UnknownKey).await;
            }
        }
    }
    stage.finish().await;
}

#[tokio::test]
async fn authentication_bypass_via_algorithm_confusion() {
    let stage = stage().await;
    for forged in confused(&stage, &GENUINE.spki(), &GENUINE.pkcs1()) {
        stage.attack(&forged, ReasonCode::UnknownKey).await;
    }
    stage.finish().await;
}

/// What `sig2n` of the laboratory's tools makes of a public key: codes with its two PEM forms.
fn confused(stage: &Stage, spki: &[u8], pkcs1: &[u8]) -> Vec<String> {
    let mut tokens = Vec::new();
    for text in [pem("PUBLIC KEY", spki), pem("RSA PUBLIC KEY", pkcs1)] {
        for secret in [
            text.as_str(),
            text.trim_end(),
            &BASE64_STANDARD.encode(&text),
        ] {
            let claims = administrator(stage);
            tokens.extend(hmac_tokens(&stage.header(), &claims, secret.as_bytes()));
        }
    }
    tokens
}

#[tokio::test]
async fn authentication_bypass_via_algorithm_confusion_with_no_exposed_key() {
    let key = RsaKey::from_der(
        &BASE64_STANDARD
            .decode(EXPONENT_3.replace('\n', ""))
            .unwrap(),
    );
    let stage = Stage::publishing(key_set(&[key.unbound_jwk(KID)])).await;
    // Two tokens of one's own are all that is needed.
    let tokens = ["1", "2"].map(|jti| {
        let claims = with(&stage.plain_claims(), "jti", jti);
        key.sign(&stage.header(), &claims)
    });
    for token in &tokens {
        assert_eq!(stage.outcome(token).await, "permit", "the control");
    }
    let modulus = derived_modulus(&tokens);
    assert_eq!(modulus, key.modulus(), "the attack works this far");
    let (spki, pkcs1) = public_key(&modulus);
    assert_eq!((&spki, &pkcs1), (&key.spki(), &key.pkcs1()));
    for forged in confused(&stage, &spki, &pkcs1) {
        stage.attack(&forged, ReasonCode::UnknownKey).await;
    }
    for token in &tokens {
        assert_eq!(stage.outcome(token).await, "permit", "the control");
    }
    stage.canary_is_quiet().await;
}

/// The modulus behind two RS256 tokens: it divides `s^e - m` for each signature `s` of a padded
/// digest `m`. The exponent is 3, because the powers for 65537 take minutes; it changes nothing
/// about what the attacker has in the end.
fn derived_modulus(tokens: &[String; 2]) -> Vec<u8> {
    let [mut a, mut b] = tokens.each_ref().map(|token| {
        let (input, signature) = token.rsplit_once('.').unwrap();
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(signature);
        let signature = BigUint::from_bytes_be(&decoded.unwrap());
        signature.pow(3) - BigUint::from_bytes_be(&padded_digest(input, 256))
    });
    let zero = BigUint::ZERO;
    while b != zero {
        (a, b) = (b.clone(), a % b);
    }
    // A small factor may be common to both by chance.
    for factor in 2_u32..100 {
        while a.bits() > 2048 && &a % factor == zero {
            a /= factor;
        }
    }
    a.to_bytes_be()
}

/// EMSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 9.2).
fn padded_digest(input: &str, length: usize) -> Vec<u8> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, input.as_bytes());
    let mut info = vec![
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x05, 0x00, 0x04, 0x20,
    ];
    info.extend(digest.as_ref());
    let mut padded = vec![0xff; length];
    padded[0] = 0;
    padded[1] = 1;
    padded[length - info.len() - 1] = 0;
    padded[length - info.len()..].copy_from_slice(&info);
    padded
}

/// The two DER forms of a key of 2048 bits with the exponent 3.
fn public_key(modulus: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut pkcs1 = vec![0x30, 0x82, 0x01, 0x08, 0x02, 0x82, 0x01, 0x01, 0x00];
    pkcs1.extend(modulus);
    pkcs1.extend([0x02, 0x01, 0x03]);
    let mut spki = vec![0x30, 0x82, 0x01, 0x20];
    // rsaEncryption, and a bit string without unused bits.
    spki.extend([
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ]);
    spki.extend([0x03, 0x82, 0x01, 0x0d, 0x00]);
    spki.extend(&pkcs1);
    (spki, pkcs1)
}

#[tokio::test]
async fn the_forger_can_forge() {
    // The same tokens get through where the key is the right one, so that what refuses them above
    // is the key.
    let stage = Stage::publishing(key_set(&[MALLORY.jwk(KID)])).await;
    let forged = MALLORY.sign(&stage.header(), &administrator(&stage));
    assert_eq!(summary(&stage.decide(ADMIN, Some(&forged)).await), "permit");
    let header = with(&stage.header(), "jwk", MALLORY.unbound_jwk(KID));
    let forged = MALLORY.sign(&header, &administrator(&stage));
    assert_eq!(summary(&stage.decide(ADMIN, Some(&forged)).await), "permit");
    assert_eq!(
        encode(MALLORY.modulus()),
        MALLORY.jwk(KID)["n"].as_str().unwrap()
    );
}

/// A key that was made for this file, with the exponent 3 (`RSAPrivateKey`, RFC 8017 appendix A.1.2).
const EXPONENT_3: &str = "
MIIEogIBAAKCAQEAm0wE1jH9muZB2vsiGviQbbAvBdHxmnfm6fRgAl0jtlWRT8X9lhjy87+fthOoZh1bHV/kSZVU
373hi5xxcvt4kIu8SYB+lWUXGRLojn+ECA5f1dVctFLFdm2hPN1vuiuu1q+X2RzxTpRPatXCiIs0sRtlcI6lKr1S
dqfRfDPqlJAUD2Sw6V0zW7P2DBDaWjR9IsvhEKJ2BOVHg3E+NEkGMYa0Z2HRktE5AxfW0C8/2C4z0tig2uQwr5j0
774It06T8Gqw1ze2F1bPbXN2xMd3NgRaeyDkf/VZH/fKZeVKpUI5dGC/WntIeWp+kkdSctB86c/YxQIBGRbW4Ksj
yLjzzwIBAwKCAQBniAM5dqkR7taR/MFnUGBJIB9ZNqERpUSb+EABk20kOQuKg/5kEKH31RUkDRruvjy+P+2GY43q
fpZdEvZMp6W1sn2GVam47g9mDJsJqlgFXuqOjj3NjIOkSRYok5/RcnSPH7qQvfY0Yt+cjoGwXM3LZ5j1tG4cfjb5
xTZSzUcNtFjVHOmUpky+rzkTN/cZLuWmVmi85qptMT147erzPVrjeT+4j0JVg3nm/yw7/mW9RUwVSi84PWbK0SLN
aEvuOk+xhfTV80VZWBsYkAi3fSEPfEchD2pTmGXn+GNKS0ZK/YJ8T0i6UHObEIcCf0ZvLkKCA0eP3x4mGbks5m/g
RFN7AoGBAMn6drX44aw/ihmWHrBLhoPz/eQL2PLzUVd9xzPQPrT861PYOmwtH2Jy6AuswxRxK81rW+tYuG3S1IMa
bHxRe6IZgVB4eUsdjzspVCtogPmvtMrLfyeGk1HzaEDdNxKXfJu+iHWL8t1lpfBpAR4VXGYHMSJTLbt0tHaTw274
vR6tAoGBAMTVQpyRghP+IwbZHjdo56C1TF/pb4NtyhPQRSn3LkjfZYD6UIHlbJ+1sQjJbpLLGnRHjW6tz6isir2h
NRqAe3pMoHEd0YLzw2ufRz5JCsvvFST+Cp17/W5QmvSZPU6dSVn7YVy3D72rK8Olh0q2rrMfmcsaBZhrO8qJjgz/
lVfrAoGBAIam+c6l68gqXBEOvyAyWa1NU+1dO0yiNjpT2iKK1HionOKQJvLIv5b3RV0d12L2HTOc5/I7JZ6Mjay8
SFLg/Ra7q4r6+4dpCidw4sebAKZ1IzHc/2+vDOFM8Cs+JLcPqGfUWvkH9z5Dw/WbVhQOPZlaIMGMySejIvm3159Q
fhRzAoGBAIM41xMLrA1UF1nmFCTwmmsjiD/w9QJJMWKK2MakyYXqQ6tRiwFDnb/OdgXbnwyHZvgvs58einBzBykW
I2cAUlGIavYT4QH3150U2imGBzKfY23+sb5SqPQ1vKMQ04m+MOanlj3PX9PHcoJuWjHPHyIVETIRWRBHfTGxCV3/
uOVHAoGATN8YHGj9eLIp5eLA8pk5X5oufNRvSEBZnf9X5hE3v4xun2nsYOlzJH53w3qW6fj7Hme0X0DF0SJelbFF
7VyVfxOB5UzgmmXRwl7WXJ/wT61EDUC3yI9XTz34DWH5UYd0oCJce4GwK4jrhBYJZ78h6Mi63tyWf+poMpoM5ANd
bqI=
";

//! Ids, names and digests have the form that they promise.

use portcullis_store::{AdminRole, DraftKind, Id, InvalidValue, Name, Sha256};

#[test]
fn an_id_is_short_and_plain() {
    for good in ["a", "3f2c-1_x.y:z", &"i".repeat(128)] {
        assert_eq!(good.parse::<Id>().unwrap().as_str(), good);
    }
    for bad in ["", "a b", "a/b", "é", "a\0", "a'", "%", &"i".repeat(129)] {
        assert_eq!(bad.parse::<Id>(), Err(InvalidValue::Id), "{bad:?}");
    }
}

#[test]
fn a_name_has_no_control_characters() {
    for good in [
        "a",
        "Robert'); DROP TABLE drafts;--",
        "日本",
        " ",
        &"n".repeat(256),
    ] {
        assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
    }
    for bad in [
        "",
        "a\0b",
        "a\nb",
        "\u{85}",
        "\u{7f}",
        &"n".repeat(257),
        &"é".repeat(129),
    ] {
        assert_eq!(bad.parse::<Name>(), Err(InvalidValue::Name), "{bad:?}");
    }
}

#[test]
fn a_digest_is_the_same_as_bytes_and_as_text() {
    let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 8 + at % 8).unwrap());
    let digest = Sha256::from(bytes);
    assert_eq!(digest.as_str().parse::<Sha256>().unwrap(), digest);
    assert_eq!(digest.to_bytes(), bytes);
    assert!(
        digest.as_str().starts_with("0009121b242d363f"),
        "{}",
        digest.as_str()
    );
}

#[test]
fn a_digest_is_64_lower_case_digits_and_debug_hides_most() {
    let good = "0123456789abcdef".repeat(4);
    let digest = good.parse::<Sha256>().unwrap();
    assert_eq!(digest.as_str(), good);
    assert_eq!(format!("{digest:?}"), "Sha256(01234567...)");
    let upper = good.to_uppercase();
    let with_space = format!("{} ", &good[1..]);
    for bad in ["", &good[1..], &upper, &with_space, &good.replace('0', "g")] {
        assert_eq!(bad.parse::<Sha256>(), Err(InvalidValue::Sha256), "{bad:?}");
    }
}

#[test]
fn kinds_and_roles_have_stable_names() {
    let kinds: Vec<_> = DraftKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let expected = [
        "api-service",
        "operation",
        "policy",
        "external-oauth-server",
    ];
    assert_eq!(kinds, expected);
    for kind in DraftKind::ALL {
        assert_eq!(DraftKind::from_name(kind.as_str()), Some(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    let roles: Vec<_> = AdminRole::ALL.iter().map(|role| role.as_str()).collect();
    assert_eq!(roles, ["viewer", "editor", "deployer"]);
    for role in AdminRole::ALL {
        assert_eq!(AdminRole::from_name(role.as_str()), Some(role));
        assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
    }
    assert_eq!(
        (DraftKind::from_name("Policy"), AdminRole::from_name("")),
        (None, None)
    );
}

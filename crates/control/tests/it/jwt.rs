//! Signed tokens: what a key takes and what it does not, and how both end. Tokens are signed here by the library as an
//! issuer would, or put together by hand where no library would.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as B64};
use control::access::{Act, Acts, Grant, Holder, Pattern, Void};
use control::keys::{Algorithm, KeyParts, NewJwt, NewKey, Refreshed, Rules, SKEW_NS_MAX, Signer};
use control::{Catalog, ErrorKind, Keys};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{Algorithm as Alg, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::samples::{NOW, stream};

const S: i64 = 1_000_000_000;
const SECRET: &str = "correct horse battery staple, twice over";

/// A key pair of the test: what the issuer signs with, and the public half in PEM.
struct Pair {
    private: EncodingKey,
    private_pem: String,
    public_pem: String,
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn ed() -> Pair {
    let pair = Ed25519KeyPair::generate().unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    Pair {
        private: EncodingKey::from_ed_der(private.as_ref()),
        private_pem: pem("PRIVATE KEY", private.as_ref()),
        public_pem: pem("PUBLIC KEY", public.as_ref()),
    }
}

fn ec(curve: &'static EcdsaSigningAlgorithm) -> Pair {
    let private = EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(curve, private.as_ref()).unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    Pair {
        private: EncodingKey::from_ec_der(private.as_ref()),
        private_pem: pem("PRIVATE KEY", private.as_ref()),
        public_pem: pem("PUBLIC KEY", public.as_ref()),
    }
}

fn rsa() -> Pair {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let private_pem = pem("PRIVATE KEY", private.as_ref());
    Pair {
        private: EncodingKey::from_rsa_pem(private_pem.as_bytes()).unwrap(),
        private_pem,
        public_pem: pem("PUBLIC KEY", public.as_ref()),
    }
}

fn now_s() -> i64 {
    NOW.0 / S
}

async fn keys(url: &str) -> Keys {
    Keys::load(&Catalog::open(url).await.unwrap()).await.unwrap()
}

fn hmac_key() -> NewKey {
    NewKey {
        id: None,
        name: "site".into(),
        algorithm: Algorithm::Hs256,
        public_key: None,
        issuer: None,
        audience: None,
    }
}

fn claims() -> Value {
    json!({"exp": now_s() + 600, "act": "publish timeshift", "path": "live/*", "jti": "t1"})
}

/// The claims of [`claims`] with some changed or, by null, taken out.
fn with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn sign(alg: Alg, kid: Option<&str>, key: &EncodingKey, claims: &Value) -> String {
    let mut header = Header::new(alg);
    header.kid = kid.map(str::to_owned);
    encode(&header, claims, key).unwrap()
}

fn shared(secret: &str) -> EncodingKey {
    EncodingKey::from_secret(secret.as_bytes())
}

/// A token with any header at all, signed by HMAC-SHA-256 or not at all.
fn by_hand(header: &Value, claims: &Value, secret: Option<&[u8]>) -> String {
    let text = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
    let mac = secret.map(|secret| {
        let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(&text);
        B64.encode(mac.finalize().into_bytes())
    });
    format!("{text}.{}", mac.unwrap_or_default())
}

pub(crate) async fn a_signed_token_works_until_it_or_its_key_is_revoked(url: &str) {
    let (here, elsewhere) = (keys(url).await, keys(url).await);
    let (secret, key) = here.create_key(&hmac_key(), NOW).await.unwrap();
    let secret = secret.unwrap();
    let token = |jti: &str| sign(Alg::HS256, Some(&key.id), &shared(&secret), &with(json!({"jti": jti})));
    let (one, two) = (token("one"), token("two"));
    let grant = here.find(&one, NOW).unwrap();
    assert_eq!((grant.acts, grant.streams.as_str()), (Acts::of(&[Act::Publish, Act::Timeshift]), "live/*"));
    assert_eq!(elsewhere.find(&one, NOW), Err(Void::Unsigned), "not known there yet");
    assert_eq!(elsewhere.refresh().await.unwrap(), Refreshed::Changed);
    assert_eq!(elsewhere.find(&one, NOW), Ok(grant.clone()));

    here.revoke_jwt(&key.id, "one", None, NOW).await.unwrap();
    assert_eq!(here.find(&one, NOW), Err(Void::Unknown));
    assert!(elsewhere.is_live(&grant), "until it has looked");
    elsewhere.refresh().await.unwrap();
    assert!(!elsewhere.is_live(&grant));
    let other = elsewhere.find(&two, NOW).unwrap();

    here.revoke_key(&key.id, NOW).await.unwrap().unwrap();
    assert_eq!(here.find(&two, NOW), Err(Void::Unsigned));
    elsewhere.refresh().await.unwrap();
    assert!(!elsewhere.is_live(&other));
    assert_eq!(elsewhere.find(&two, NOW), Err(Void::Unsigned));
    assert_eq!(keys(url).await.find(&two, NOW), Err(Void::Unsigned));
    assert_eq!(here.revoke_key("none", NOW).await.unwrap(), None);
}

pub(crate) async fn keys_are_listed_without_secrets_and_their_ids_used_once(url: &str) {
    let keys = keys(url).await;
    let named = NewKey { id: Some("site-1".into()), ..hmac_key() };
    let (secret, made) = keys.create_key(&named, NOW).await.unwrap();
    let listed = keys.list_keys().await.unwrap();
    assert_eq!(listed, [made]);
    assert!(!format!("{listed:?} {keys:?}").contains(&secret.unwrap()[4..]));
    keys.revoke_key("site-1", NOW).await.unwrap();
    for bad in [
        named.clone(),
        NewKey { id: Some("a/b".into()), ..hmac_key() },
        NewKey { id: Some(String::new()), ..hmac_key() },
        NewKey { algorithm: Algorithm::EdDsa, ..hmac_key() },
        NewKey { public_key: Some(ed().public_pem), ..hmac_key() },
        NewKey { algorithm: Algorithm::Es256, public_key: Some(ed().public_pem), ..hmac_key() },
        NewKey { algorithm: Algorithm::EdDsa, public_key: Some(ed().private_pem), ..hmac_key() },
        NewKey {
            algorithm: Algorithm::Es256,
            public_key: Some(ec(&ECDSA_P384_SHA384_FIXED_SIGNING).public_pem),
            ..hmac_key()
        },
        NewKey { issuer: Some(String::new()), ..hmac_key() },
    ] {
        let error = keys.create_key(&bad, NOW).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    assert_eq!(keys.list_keys().await.unwrap().len(), 1);
}

pub(crate) async fn tokens_are_made_with_shared_secrets_only(url: &str) {
    let keys = keys(url).await;
    let (_, made) =
        keys.create_key(&NewKey { audience: Some("cdn".into()), ..hmac_key() }, NOW).await.unwrap();
    let new = NewJwt {
        key: made.id.clone(),
        acts: Acts::of(&[Act::Play]),
        streams: Pattern::parse("live/cam1").unwrap(),
        networks: vec!["10.0.0.0/8".parse().unwrap()],
        subject: Some("ann".into()),
        expires_at: NOW.plus_ns(60 * S),
    };
    let (token, jti) = keys.sign(&new, NOW).unwrap();
    let grant = keys.find(&token, NOW).unwrap();
    assert_eq!((grant.acts, grant.streams.as_str()), (Acts::of(&[Act::Play]), "live/cam1"));
    assert!(!grant.networks.have("192.0.2.1".parse().unwrap()));
    assert_eq!(grant.holder.to_string(), format!("{}:ann", made.id));
    keys.revoke_jwt(&made.id, &jti, None, NOW).await.unwrap();
    assert_eq!(keys.find(&token, NOW), Err(Void::Unknown));
    let public = NewKey { algorithm: Algorithm::EdDsa, public_key: Some(ed().public_pem), ..hmac_key() };
    let (secret, public) = keys.create_key(&public, NOW).await.unwrap();
    assert_eq!(secret, None);
    for bad in [
        NewJwt { key: public.id, ..new.clone() },
        NewJwt { key: "none".into(), ..new.clone() },
        NewJwt { acts: Acts::default(), ..new.clone() },
        NewJwt { expires_at: NOW, ..new.clone() },
        NewJwt { subject: Some("a\nb".into()), ..new },
    ] {
        assert_eq!(keys.sign(&bad, NOW).unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
    }
}

pub(crate) async fn path_grants_die_with_the_signed_token_behind_them(url: &str) {
    let keys = keys(url).await;
    let (secret, key) = keys.create_key(&hmac_key(), NOW).await.unwrap();
    let shared = shared(&secret.unwrap());
    let cam1 = stream("live/cam1");
    let grant = |changes: Value| -> Grant {
        keys.find(&sign(Alg::HS256, Some(&key.id), &shared, &with(changes)), NOW).unwrap()
    };
    let bound = grant(json!({"jti": "a", "cidr": ["10.0.0.0/8", "2001:db8::/32"]}));
    let path = keys.path_grant(&bound, &cam1, NOW).unwrap();
    let opened = keys.open_path(path.as_str(), &cam1).unwrap();
    assert_eq!(opened.acts, Acts::of(&[Act::Timeshift]));
    assert_eq!(opened.networks, bound.networks, "a path is good from where its token is");
    let end = opened.expires_at.unwrap();
    assert!(end <= bound.expires_at.unwrap() && end.plus_ns(S) > bound.expires_at.unwrap());
    assert_eq!(keys.open_path(path.as_str(), &stream("live/cam2")), None);
    for at in 0..path.as_str().len() {
        let mut altered = path.as_str().to_owned().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(keys.open_path(&String::from_utf8(altered).unwrap(), &cam1), None, "{at}");
    }
    let others = [json!({"jti": "b"}), json!({"jti": null})].map(|changes| {
        let path = keys.path_grant(&grant(changes), &cam1, NOW).unwrap();
        assert!(keys.open_path(path.as_str(), &cam1).is_some());
        path
    });
    keys.revoke_jwt(&key.id, "a", None, NOW).await.unwrap();
    assert_eq!(keys.open_path(path.as_str(), &cam1), None);
    assert!(others.iter().all(|path| keys.open_path(path.as_str(), &cam1).is_some()));
    keys.revoke_key(&key.id, NOW).await.unwrap();
    assert!(others.iter().all(|path| keys.open_path(path.as_str(), &cam1).is_none()));
}

pub(crate) async fn a_revoked_token_is_remembered_until_it_has_run_out(url: &str) {
    let keys = keys(url).await;
    let (secret, key) = keys.create_key(&hmac_key(), NOW).await.unwrap();
    let token = sign(Alg::HS256, Some(&key.id), &shared(&secret.unwrap()), &claims());
    let until = NOW.plus_ns(600 * S);
    keys.revoke_jwt(&key.id, "t1", Some(until), NOW).await.unwrap();
    keys.revoke_jwt(&key.id, "t1", Some(NOW), NOW).await.unwrap();
    let mut later = until.plus_ns(SKEW_NS_MAX);
    keys.revoke_jwt(&key.id, "x", None, later).await.unwrap();
    keys.refresh().await.unwrap();
    assert_eq!(
        keys.find(&token, NOW),
        Err(Void::Unknown),
        "the earlier end of the second call did not count"
    );
    later = later.plus_ns(1);
    keys.revoke_jwt(&key.id, "y", None, later).await.unwrap();
    keys.refresh().await.unwrap();
    assert!(keys.find(&token, NOW).is_ok(), "forgotten, as it has run out");
    assert!(keys.find(&token, NOW).unwrap().is_expired(later));
    for (id, jti) in [("a b", "x"), (&*key.id, ""), (&*key.id, "a\0b"), (&*key.id, &*"x".repeat(200))] {
        let error = keys.revoke_jwt(id, jti, None, NOW).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

/// Keys that stand in the configuration.
async fn fixed(parts: Vec<KeyParts>, rules: Rules) -> Keys {
    let folder = tempfile::tempdir().unwrap();
    let keys = keys(&crate::file::url(folder.path())).await;
    keys.set_fixed(parts.into_iter().map(|parts| Signer::new(parts).unwrap()).collect(), rules);
    keys
}

fn part(id: &str, algorithm: Algorithm, material: &str) -> KeyParts {
    KeyParts { id: id.into(), algorithm, material: material.into(), issuer: None, audience: None }
}

fn text(id: &str, algorithm: Algorithm) -> KeyParts {
    part(id, algorithm, SECRET)
}

#[tokio::test]
async fn each_algorithm_is_taken_from_its_own_key_and_from_no_other() {
    let (ed, ec, rsa) = (ed(), ec(&ECDSA_P256_SHA256_FIXED_SIGNING), rsa());
    let secret = shared(SECRET);
    let kinds = [
        ("hs256", Algorithm::Hs256, Alg::HS256, SECRET, &secret),
        ("hs384", Algorithm::Hs384, Alg::HS384, SECRET, &secret),
        ("hs512", Algorithm::Hs512, Alg::HS512, SECRET, &secret),
        ("rs256", Algorithm::Rs256, Alg::RS256, &*rsa.public_pem, &rsa.private),
        ("es256", Algorithm::Es256, Alg::ES256, &*ec.public_pem, &ec.private),
        ("eddsa", Algorithm::EdDsa, Alg::EdDSA, &*ed.public_pem, &ed.private),
    ];
    let parts = kinds.iter().map(|(id, algorithm, _, material, _)| part(id, *algorithm, material)).collect();
    let keys = fixed(parts, Rules::default()).await;
    for (id, ..) in &kinds {
        for (own, _, alg, _, key) in &kinds {
            let found = keys.find(&sign(*alg, Some(id), key, &claims()), NOW);
            // The three HMACs share one secret here, so that only the pinned algorithm tells them apart.
            assert_eq!(found.is_ok(), id == own, "{own}'s token as {id}'s");
            assert!(found.is_ok() || found == Err(Void::Unsigned), "{found:?}");
        }
    }
}

#[tokio::test]
async fn what_is_forged_is_not_signed() {
    let rsa = rsa();
    let parts = vec![part("rsa", Algorithm::Rs256, &rsa.public_pem), text("site", Algorithm::Hs256)];
    let keys = fixed(parts, Rules::default()).await;
    let good = by_hand(&json!({"alg": "HS256", "kid": "site"}), &claims(), Some(SECRET.as_bytes()));
    assert!(keys.find(&good, NOW).is_ok(), "what is put together by hand is a token");
    let public = rsa.public_pem.as_bytes();
    let der =
        BASE64_STANDARD.decode(rsa.public_pem.lines().filter(|l| !l.starts_with('-')).collect::<String>());
    let mut cut = good.clone();
    cut.pop();
    let swapped = {
        let parts: Vec<_> = good.split('.').collect();
        let more = with(json!({"act": "admin"}));
        format!("{}.{}.{}", parts[0], B64.encode(more.to_string()), parts[2])
    };
    for (what, token) in [
        ("alg none", by_hand(&json!({"alg": "none", "kid": "site"}), &claims(), None)),
        ("alg None", by_hand(&json!({"alg": "None", "kid": "rsa"}), &claims(), None)),
        ("no alg", by_hand(&json!({"kid": "site"}), &claims(), Some(SECRET.as_bytes()))),
        ("public key as secret", by_hand(&json!({"alg": "HS256", "kid": "rsa"}), &claims(), Some(public))),
        (
            "its trimmed text",
            by_hand(&json!({"alg": "HS256", "kid": "rsa"}), &claims(), Some(public.trim_ascii())),
        ),
        ("its DER", by_hand(&json!({"alg": "HS256", "kid": "rsa"}), &claims(), Some(&der.unwrap()))),
        ("RS256 without a signature", by_hand(&json!({"alg": "RS256", "kid": "rsa"}), &claims(), None)),
        ("no kid", by_hand(&json!({"alg": "HS256"}), &claims(), Some(SECRET.as_bytes()))),
        (
            "another kid",
            by_hand(&json!({"alg": "HS256", "kid": "other"}), &claims(), Some(SECRET.as_bytes())),
        ),
        (
            "a key that comes along",
            by_hand(
                &json!({"alg": "HS256", "kid": "x", "jwk": {"kty": "oct", "k": B64.encode(SECRET)}}),
                &claims(),
                Some(SECRET.as_bytes()),
            ),
        ),
        ("another secret", by_hand(&json!({"alg": "HS256", "kid": "site"}), &claims(), Some(b"guess"))),
        ("the empty secret", by_hand(&json!({"alg": "HS256", "kid": "site"}), &claims(), Some(b""))),
        ("a cut signature", cut),
        ("other claims", swapped),
        ("too long", format!("{good}{}", "A".repeat(5000))),
        ("dots", "..".to_owned()),
        ("no text", "é.é.é".to_owned()),
    ] {
        assert_eq!(keys.find(&token, NOW), Err(Void::Unsigned), "{what}");
    }
    let critical = json!({"alg": "HS256", "kid": "site", "crit": ["exp"]});
    let critical = keys.find(&by_hand(&critical, &claims(), Some(SECRET.as_bytes())), NOW);
    assert!(matches!(&critical, Err(Void::Unusable(why)) if why.contains("crit")), "{critical:?}");
}

/// What the claims of a token come to: acts, streams and end, or the words of its refusal.
async fn judged(changes: Value, rules: Rules) -> Result<Grant, Void> {
    let keys = fixed(vec![text("site", Algorithm::Hs256)], rules).await;
    keys.find(&sign(Alg::HS256, Some("site"), &shared(SECRET), &with(changes)), NOW)
}

#[tokio::test]
async fn claims_that_are_not_understood_void_the_token() {
    for (changes, says) in [
        (json!({"exp": null}), "no exp"),
        (json!({"exp": "tomorrow"}), "exp is no time"),
        (json!({"exp": -1}), "exp is no time"),
        (json!({"exp": 1e300}), "exp is no time"),
        (json!({"act": null}), "no act"),
        (json!({"act": ""}), "act is empty"),
        (json!({"act": []}), "act is empty"),
        (json!({"act": "root"}), "none of publish"),
        (json!({"act": ["play", 3]}), "act is no list of words"),
        (json!({"act": true}), "act is no text"),
        (json!({"path": null}), "no path"),
        (json!({"path": "live/a*b*"}), "two *"),
        (json!({"path": ["live/*"]}), "path is no text"),
        (json!({"cidr": "10.0.0.0/33"}), "no network"),
        (json!({"cidr": []}), "no network"),
        (json!({"cidr": vec!["10.0.0.0/8"; 17]}), "the limit is 16"),
        (json!({"max_sessions": 1}), "max_sessions"),
        (json!({"max_kbps": 1}), "max_kbps"),
        (json!({"Path": "live/*"}), "Path"),
        (json!({"aud": "other"}), "aud does not name"),
        (json!({"aud": 3}), "aud does not name"),
        (json!({"jti": ""}), "jti is no text"),
        (json!({"jti": "x".repeat(200)}), "jti is no text"),
        (json!({"sub": "a\nb"}), "sub is no text"),
    ] {
        let found = judged(changes.clone(), Rules::default()).await;
        assert!(matches!(&found, Err(Void::Unusable(why)) if why.contains(says)), "{changes}: {found:?}");
    }
    for (changes, acts) in [
        (json!({"act": ["play", "clip"]}), Acts::of(&[Act::Play, Act::Clip])),
        (json!({"act": " admin ", "aud": ["x", "tapeline"], "iss": "whoever"}), Acts::of(&[Act::Admin])),
    ] {
        assert_eq!(judged(changes, Rules::default()).await.unwrap().acts, acts);
    }
    let from = judged(json!({"cidr": "192.0.2.7"}), Rules::default()).await.unwrap().networks;
    assert!(from.have("192.0.2.7".parse().unwrap()) && !from.have("192.0.2.8".parse().unwrap()));
}

#[tokio::test]
async fn times_are_judged_with_the_skew_and_no_more() {
    let rules = |skew_s: i64| Rules { skew_ns: skew_s * S, lifetime_ns_max: None };
    for (changes, skew_s, good) in [
        (json!({"nbf": now_s() + 61}), 60, false),
        (json!({"nbf": now_s() + 60}), 60, true),
        (json!({"nbf": now_s() + 2}), 0, false),
        (json!({"nbf": now_s()}), 0, true),
        (json!({"iat": now_s() + 61}), 60, false),
    ] {
        let found = judged(changes.clone(), rules(skew_s)).await;
        assert!(if good { found.is_ok() } else { found == Err(Void::NotYet) }, "{changes}: {found:?}");
    }
    // That a token has run out is said by its grant, so that the answer is its own.
    let grant = judged(json!({"exp": now_s() - 5}), rules(10)).await.unwrap();
    assert!(!grant.is_expired(NOW) && grant.is_expired(NOW.plus_ns(6 * S)));
    assert!(judged(json!({"exp": now_s() - 11}), rules(10)).await.unwrap().is_expired(NOW));
    let day = Rules { lifetime_ns_max: Some(86_400 * S), ..rules(0) };
    for (changes, good) in [
        (json!({"iat": now_s() - 60, "exp": now_s() + 86_000}), true),
        (json!({"iat": now_s() - 60, "exp": now_s() + 86_400}), false),
        (json!({}), false),
    ] {
        assert_eq!(judged(changes.clone(), day).await.is_ok(), good, "{changes}");
    }
}

#[tokio::test]
async fn a_key_may_insist_on_issuer_and_audience() {
    let parts = KeyParts {
        issuer: Some("https://id.example".into()),
        audience: Some("cdn".into()),
        ..text("site", Algorithm::Hs256)
    };
    let keys = fixed(vec![parts], Rules::default()).await;
    for (changes, good) in [
        (json!({"iss": "https://id.example", "aud": "cdn"}), true),
        (json!({"iss": "https://id.example", "aud": ["x", "cdn"]}), true),
        (json!({"iss": "https://id.example", "aud": "tapeline"}), false),
        (json!({"iss": "https://id.example"}), false),
        (json!({"iss": "https://id.example.evil", "aud": "cdn"}), false),
        (json!({"aud": "cdn"}), false),
    ] {
        let found = keys.find(&sign(Alg::HS256, Some("site"), &shared(SECRET), &with(changes.clone())), NOW);
        assert_eq!(found.is_ok(), good, "{changes}: {found:?}");
    }
}

#[tokio::test]
async fn a_key_that_leaves_the_configuration_takes_its_tokens_along() {
    let keys = fixed(vec![text("site", Algorithm::Hs256)], Rules::default()).await;
    let token = sign(Alg::HS256, Some("site"), &shared(SECRET), &claims());
    let grant = keys.find(&token, NOW).unwrap();
    assert!(matches!(&grant.holder, Holder::Jwt { name, .. } if name == "site:t1"));
    // The same name over another secret is another key.
    let other = part("site", Algorithm::Hs256, "another secret that is long enough to be one");
    keys.set_fixed(vec![Signer::new(other).unwrap()], Rules::default());
    assert!(!keys.is_live(&grant));
    keys.set_fixed(vec![Signer::new(text("site", Algorithm::Hs256)).unwrap()], Rules::default());
    assert!(keys.is_live(&grant));
    keys.set_fixed(Vec::new(), Rules::default());
    assert!(!keys.is_live(&grant));
    assert!(Signer::new(part("site", Algorithm::Hs256, "short")).is_err());
}

//! Tokens in their database: made, seen by other servers, revoked, forgotten, and as grants in paths.

use control::access::{Act, Acts, Grant, Holder, Networks, Pattern, Void};
use control::keys::{NewToken, PATH_GRANT_STEP, PATH_GRANT_TTL, Refreshed, TOKEN_KEPT};
use control::{Catalog, CatalogError, ErrorKind, Keys};

use sea_orm::{ConnectionTrait, Database};

use crate::samples::{NOW, stream};

fn publisher() -> NewToken {
    NewToken {
        name: "camera 1".into(),
        acts: Acts::of(&[Act::Publish, Act::Timeshift]),
        streams: Pattern::parse("live/*").unwrap(),
        expires_at: None,
    }
}

async fn keys(url: &str) -> Keys {
    Keys::load(&Catalog::open(url).await.unwrap()).await.unwrap()
}

pub(crate) async fn a_token_works_here_at_once_and_elsewhere_after_a_refresh(url: &str) {
    let (here, elsewhere) = (keys(url).await, keys(url).await);
    let (secret, token) = here.create(&publisher(), NOW).await.unwrap();
    let grant = Grant {
        holder: Holder::Token(token.id.clone()),
        acts: token.acts,
        streams: token.streams.clone(),
        networks: Networks::default(),
        expires_at: None,
    };
    assert_eq!(here.find(&secret.reveal(), NOW), Ok(grant.clone()));
    assert_eq!(elsewhere.find(&secret.reveal(), NOW), Err(Void::Unknown));
    assert_eq!(elsewhere.refresh().await.unwrap(), Refreshed::Changed);
    assert_eq!(elsewhere.find(&secret.reveal(), NOW), Ok(grant.clone()));
    assert_eq!(elsewhere.refresh().await.unwrap(), Refreshed::Unchanged);
    assert_eq!(keys(url).await.find(&secret.reveal(), NOW), Ok(grant));
    // A secret that is wrong in its last bit, and one that nobody made.
    let mut wrong = secret.reveal();
    let last = wrong.pop().unwrap();
    wrong.push(if last == 'A' { 'E' } else { 'A' });
    assert_eq!(here.find(&wrong, NOW), Err(Void::Unknown));
    assert_eq!(here.find(&format!("tl_{}", "A".repeat(43)), NOW), Err(Void::Unknown));
}

pub(crate) async fn a_revoked_token_stops(url: &str) {
    let (here, elsewhere) = (keys(url).await, keys(url).await);
    let (secret, token) = here.create(&publisher(), NOW).await.unwrap();
    let (other, _) = here.create(&publisher(), NOW).await.unwrap();
    elsewhere.refresh().await.unwrap();
    let grant = elsewhere.find(&secret.reveal(), NOW).unwrap();
    assert!(elsewhere.is_live(&grant));
    let revoked = here.revoke(&token.id, NOW.plus_ns(5)).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(NOW.plus_ns(5)));
    assert_eq!(here.find(&secret.reveal(), NOW), Err(Void::Unknown));
    elsewhere.refresh().await.unwrap();
    assert_eq!(elsewhere.find(&secret.reveal(), NOW), Err(Void::Unknown));
    assert!(!elsewhere.is_live(&grant));
    assert!(elsewhere.find(&other.reveal(), NOW).is_ok());
    // Once more says the same; what never was is none.
    assert_eq!(here.revoke(&token.id, NOW.plus_ns(9)).await.unwrap(), Some(revoked));
    assert_eq!(here.revoke("0000000000000000", NOW).await.unwrap(), None);
    assert_eq!(here.revoke("'; DROP TABLE access_token; --", NOW).await.unwrap(), None);
}

pub(crate) async fn tokens_are_listed_without_secrets(url: &str) {
    let keys = keys(url).await;
    let (secret, first) = keys.create(&publisher(), NOW).await.unwrap();
    let expiring = NewToken { expires_at: Some(NOW.plus_ns(9)), name: " ".into(), ..publisher() };
    let (_, second) = keys.create(&expiring, NOW.plus_ns(1)).await.unwrap();
    assert_eq!(second.name, "");
    let listed = keys.list().await.unwrap();
    assert_eq!(listed, [second, first]);
    assert!(!format!("{listed:?}").contains(&secret.reveal()[3..]));
}

pub(crate) async fn ended_tokens_are_forgotten_in_time(url: &str) {
    let keys = keys(url).await;
    let (_, revoked) = keys.create(&publisher(), NOW).await.unwrap();
    let expiring = NewToken { expires_at: Some(NOW.plus_ns(1)), ..publisher() };
    let (_, expired) = keys.create(&expiring, NOW).await.unwrap();
    keys.revoke(&revoked.id, NOW).await.unwrap();
    let ids =
        |tokens: Vec<control::keys::Token>| tokens.into_iter().map(|token| token.id).collect::<Vec<_>>();
    let (_, while_kept) = keys.create(&publisher(), NOW.plus_ns(TOKEN_KEPT)).await.unwrap();
    let listed = ids(keys.list().await.unwrap());
    assert!(listed.contains(&revoked.id) && listed.contains(&expired.id));
    let (_, later) = keys.create(&publisher(), NOW.plus_ns(TOKEN_KEPT + 2)).await.unwrap();
    assert_eq!(ids(keys.list().await.unwrap()), [later.id, while_kept.id]);
}

pub(crate) async fn bad_tokens_are_not_made(url: &str) {
    let keys = keys(url).await;
    for bad in [
        NewToken { acts: Acts::default(), ..publisher() },
        NewToken { name: "a\nb".into(), ..publisher() },
        NewToken { name: "x".repeat(1_000), ..publisher() },
        NewToken { expires_at: Some(NOW), ..publisher() },
    ] {
        let error = keys.create(&bad, NOW).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    assert!(keys.list().await.unwrap().is_empty());
}

pub(crate) async fn path_grants_open_one_stream_while_their_token_lives(url: &str) {
    let (here, elsewhere) = (keys(url).await, keys(url).await);
    let (secret, token) = here.create(&publisher(), NOW).await.unwrap();
    elsewhere.refresh().await.unwrap();
    let grant = here.find(&secret.reveal(), NOW).unwrap();
    let cam1 = stream("live/cam1");
    let path = here.path_grant(&grant, &cam1, NOW).unwrap();
    assert!(path.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));

    // Any server of the database opens it, to what it is worth: watching, of this stream, for a while.
    let opened = elsewhere.open_path(path.as_str(), &cam1).unwrap();
    assert_eq!(opened.acts, Acts::of(&[Act::Timeshift]));
    assert!(opened.streams.matches(&cam1) && !opened.streams.matches(&stream("live/cam2")));
    let end = opened.expires_at.unwrap();
    assert!(end.since_ns(NOW) >= PATH_GRANT_TTL && end.since_ns(NOW) <= PATH_GRANT_TTL + PATH_GRANT_STEP);
    assert_eq!(here.path_grant(&grant, &cam1, NOW.plus_ns(1)).unwrap(), path, "caches keep it");

    // Not under another name, not altered anywhere.
    assert_eq!(here.open_path(path.as_str(), &stream("live/cam2")), None);
    for at in 0..path.as_str().len() {
        let mut altered = path.as_str().to_owned().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert_eq!(here.open_path(&altered, &cam1), None, "{at}");
    }
    for bad in ["", "~", "é", &path.as_str()[1..], &format!("{path}A"), &"A".repeat(5_000)] {
        assert_eq!(here.open_path(bad, &cam1), None);
    }

    // A token's own end is not exceeded; what does not watch this stream gives none.
    let soon = Grant { expires_at: Some(NOW.plus_ns(90_000_000_000)), ..grant.clone() };
    let soon_path = here.path_grant(&soon, &cam1, NOW).unwrap();
    let soon_end = here.open_path(soon_path.as_str(), &cam1).unwrap().expires_at.unwrap();
    assert!(soon_end <= NOW.plus_ns(90_000_000_000) && soon_end > NOW.plus_ns(88_000_000_000));
    let expired = Grant { expires_at: Some(NOW), ..grant.clone() };
    let publish_only = Grant { acts: Acts::of(&[Act::Publish]), ..grant.clone() };
    for worthless in [expired, publish_only] {
        assert_eq!(here.path_grant(&worthless, &cam1, NOW), None);
    }
    assert_eq!(here.path_grant(&grant, &stream("vod/x"), NOW), None);

    here.revoke(&token.id, NOW).await.unwrap();
    assert_eq!(here.open_path(path.as_str(), &cam1), None);
}

pub(crate) async fn damaged_rows_are_errors(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    let keys = Keys::load(&catalog).await.unwrap();
    keys.create(&publisher(), NOW).await.unwrap();
    catalog.insert(&crate::samples::clip("a")).await.unwrap();
    let outside = Database::connect(url).await.unwrap();
    for sql in [
        "UPDATE access_token SET acts = 'root'",
        "UPDATE asset SET kind = 'poem'",
        "UPDATE generation SET value = value + 1",
    ] {
        outside.execute_unprepared(sql).await.unwrap();
    }
    outside.close().await.unwrap();
    let by_list = catalog.list(&control::catalog::AssetQuery::default()).await.unwrap_err();
    let by_get = catalog.get(&crate::samples::id("a")).await.unwrap_err();
    let by_refresh = keys.refresh().await.unwrap_err();
    for (error, word) in [(by_list, "poem"), (by_get, "poem"), (by_refresh, "root")] {
        assert!(matches!(error, CatalogError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

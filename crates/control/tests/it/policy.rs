//! The policy, row by row, written by hand: every act, from every kind of peer, with every kind of token.

use std::net::IpAddr;

use control::access::{
    Act, Acts, Allowed, Decision, Grant, Holder, Loopback, Networks, OpenRule, Pattern, Peer, Policy,
    RefusalKind, Request, Resource, Shown, Void,
};
use control::asset::Visibility;

use crate::samples::{NOW, stream};

/// The answer of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum A {
    /// By the token.
    Token,
    /// As live play.
    Live,
    /// As a public asset.
    Public,
    /// From loopback.
    Here,
    /// By an open rule.
    Open,
    /// 401, no token.
    Need,
    /// 401, an old token.
    Old,
    /// 403.
    Not,
}

fn answer(decision: Decision<'_>) -> A {
    match decision {
        Decision::Allow(Allowed::Token(id)) => {
            assert_eq!(id.to_string(), "t");
            A::Token
        }
        Decision::Allow(Allowed::LivePlay) => A::Live,
        Decision::Allow(Allowed::PublicAsset) => A::Public,
        Decision::Allow(Allowed::Loopback) => A::Here,
        Decision::Allow(Allowed::Open(_)) => A::Open,
        Decision::Refuse(refusal) => match (&refusal.kind, refusal.status()) {
            (RefusalKind::TokenRequired, 401) => A::Need,
            (RefusalKind::TokenExpired, 401) => A::Old,
            (RefusalKind::TokenInsufficient, 403) => A::Not,
            other => panic!("{other:?}"),
        },
    }
}

fn grant(acts: &[Act], streams: &str) -> Grant {
    Grant {
        holder: Holder::Token("t".into()),
        acts: Acts::of(acts),
        streams: Pattern::parse(streams).unwrap(),
        networks: Networks::default(),
        expires_at: None,
    }
}

/// No token, one of exactly this act, one of all other acts that do not imply it, one for other streams, one that
/// has expired this instant.
fn tokens(act: Act) -> [Option<Grant>; 5] {
    let others: Vec<_> =
        Act::ALL.iter().copied().filter(|other| ![act, Act::Admin].contains(other)).collect();
    [
        None,
        Some(grant(&[act], "live/*")),
        Some(grant(&others, "**")),
        Some(grant(Act::ALL, "vod/*")),
        Some(Grant { expires_at: Some(NOW), ..grant(Act::ALL, "**") }),
    ]
}

fn http(addr: &str, headers: &[(&str, &str)]) -> Peer {
    Peer::http(addr.parse().unwrap(), headers.iter().map(|(name, value)| (*name, value.as_bytes())))
}

fn raw(addr: &str) -> Peer {
    Peer::raw(addr.parse::<IpAddr>().unwrap())
}

/// Peers that are this machine's own user, and peers that are not.
fn peers() -> ([Peer; 3], [Peer; 6]) {
    let near = [
        raw("127.0.0.1"),
        http("::1", &[("host", "localhost:8080")]),
        http("127.0.0.1", &[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")]),
    ];
    let far = [
        raw("172.17.0.1"),
        http("10.0.0.7", &[("host", "localhost")]),
        http("127.0.0.1", &[("host", "localhost"), ("x-forwarded-for", "10.0.0.7")]),
        http("127.0.0.1", &[("host", "evil.example:8080")]),
        http("127.0.0.1", &[("host", "localhost:8080"), ("origin", "http://evil.example")]),
        http("127.0.0.1", &[("host", "localhost:8080"), ("sec-fetch-site", "cross-site")]),
    ];
    (near, far)
}

#[track_caller]
fn check(policy: &Policy, act: Act, resource: Resource<'_>, peers: &[Peer], expected: [A; 5]) {
    for peer in peers {
        for (token, expected) in tokens(act).iter().zip(expected) {
            let request = Request { act, resource, peer, now: NOW };
            let found = answer(policy.decide(&request, token.as_ref()));
            assert_eq!(found, expected, "{act} {resource:?} from {peer:?} with {token:?}");
        }
    }
}

#[test]
fn by_default_live_is_open_and_all_else_from_this_machine_only() {
    let policy = Policy::default();
    let (near, far) = peers();
    let name = stream("live/room/1");
    let on = Resource::Stream(&name);
    //                             token:   none      the act   others    elsewhere expired
    check(&policy, Act::Play, on, &near, [A::Live, A::Token, A::Live, A::Live, A::Live]);
    check(&policy, Act::Play, on, &far, [A::Live, A::Token, A::Live, A::Live, A::Live]);
    for act in [Act::Publish, Act::Timeshift, Act::Clip, Act::Admin] {
        check(&policy, act, on, &near, [A::Here, A::Token, A::Here, A::Here, A::Here]);
        check(&policy, act, on, &far, [A::Need, A::Token, A::Not, A::Not, A::Old]);
    }
}

#[test]
fn an_admin_may_do_all_that_others_may_to_the_same_streams() {
    let policy = Policy::new(Loopback::Closed, Vec::new());
    let (_, far) = peers();
    let (cam, vod) = (stream("live/cam1"), stream("vod/x"));
    let admin = grant(&[Act::Admin], "live/*");
    for act in Act::ALL.iter().copied().filter(|act| *act != Act::Play) {
        for (name, expected) in [(&cam, A::Token), (&vod, A::Not)] {
            let request = Request { act, resource: Resource::Stream(name), peer: &far[0], now: NOW };
            assert_eq!(answer(policy.decide(&request, Some(&admin))), expected, "{act} {name}");
        }
    }
}

#[test]
fn with_loopback_closed_it_is_a_peer_like_any_other() {
    let policy = Policy::new(Loopback::Closed, Vec::new());
    let (near, far) = peers();
    let name = stream("live/cam1");
    let on = Resource::Stream(&name);
    for peers in [&near[..], &far[..]] {
        check(&policy, Act::Play, on, peers, [A::Live, A::Token, A::Live, A::Live, A::Live]);
        for act in [Act::Publish, Act::Timeshift, Act::Clip, Act::Admin] {
            check(&policy, act, on, peers, [A::Need, A::Token, A::Not, A::Not, A::Old]);
        }
    }
}

#[test]
fn the_whole_server_needs_every_stream() {
    let policy = Policy::default();
    let (near, far) = peers();
    for act in Act::ALL {
        // The token of exactly this act is for live/* alone.
        check(&policy, *act, Resource::Server, &near, [A::Here, A::Here, A::Here, A::Here, A::Here]);
        check(&policy, *act, Resource::Server, &far, [A::Need, A::Not, A::Not, A::Not, A::Old]);
        let everywhere = grant(&[*act], "*");
        let request = Request { act: *act, resource: Resource::Server, peer: &far[0], now: NOW };
        assert_eq!(answer(policy.decide(&request, Some(&everywhere))), A::Token);
    }
}

#[test]
fn assets_follow_their_visibility_and_their_stream() {
    let policy = Policy::default();
    let (near, far) = peers();
    let name = stream("live/cam1");
    let of = |stream, visibility| Resource::Asset { stream, visibility };
    for act in Act::ALL {
        let private = of(Some(&name), Visibility::Private);
        check(&policy, *act, private, &near, [A::Here, A::Token, A::Here, A::Here, A::Here]);
        check(&policy, *act, private, &far, [A::Need, A::Token, A::Not, A::Not, A::Old]);
        // Uploads, and what is not there.
        let missing = of(None, Visibility::Private);
        check(&policy, *act, missing, &near, [A::Here, A::Here, A::Here, A::Here, A::Here]);
        check(&policy, *act, missing, &far, [A::Need, A::Not, A::Not, A::Not, A::Old]);
    }
    let public = of(Some(&name), Visibility::Public);
    for act in [Act::Play, Act::Timeshift] {
        check(&policy, act, public, &far, [A::Public, A::Token, A::Public, A::Public, A::Public]);
        check(&policy, act, of(None, Visibility::Public), &far, [A::Public; 5]);
    }
    // Public to fetch is not public to change.
    for act in [Act::Publish, Act::Clip, Act::Admin] {
        check(&policy, act, public, &far, [A::Need, A::Token, A::Not, A::Not, A::Old]);
    }
}

#[test]
fn open_rules_widen_by_act_and_stream() {
    let rules = ["timeshift live/*", "publish live/studio *"].map(|rule| OpenRule::parse(rule).unwrap());
    let policy = Policy::new(Loopback::Open, rules.to_vec());
    let (near, far) = peers();
    let (cam, studio, vod) = (stream("live/cam1"), stream("live/studio 1"), stream("vod/x"));
    let on = Resource::Stream;
    check(&policy, Act::Timeshift, on(&cam), &far, [A::Open, A::Token, A::Open, A::Open, A::Open]);
    check(&policy, Act::Timeshift, on(&cam), &near, [A::Here, A::Token, A::Here, A::Here, A::Here]);
    check(&policy, Act::Publish, on(&cam), &far, [A::Need, A::Token, A::Not, A::Not, A::Old]);
    check(&policy, Act::Publish, on(&studio), &far, [A::Open, A::Token, A::Open, A::Open, A::Open]);
    check(&policy, Act::Timeshift, on(&vod), &far, [A::Need, A::Not, A::Not, A::Token, A::Old]);
    check(&policy, Act::Timeshift, Resource::Server, &far, [A::Need, A::Not, A::Not, A::Not, A::Old]);
    let everything = Policy::new(Loopback::Closed, vec![OpenRule::parse(" admin * ").unwrap()]);
    check(&everything, Act::Admin, Resource::Server, &far, [A::Open; 5]);
}

#[test]
fn open_rules_that_mean_nothing_are_refused() {
    for (rule, says) in [
        ("play", "ACT PATTERN"),
        ("", "ACT PATTERN"),
        ("watch live/*", "use one of: publish, play, timeshift, clip, admin"),
        ("play live//x", "empty part"),
    ] {
        let error = OpenRule::parse(rule).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_grant_ends_at_its_expiry_and_not_before() {
    let policy = Policy::new(Loopback::Closed, Vec::new());
    let name = stream("live/cam1");
    let until_now = Grant { expires_at: Some(NOW), ..grant(&[Act::Publish], "live/*") };
    let peer = raw("10.0.0.1");
    let at = |now| {
        let request = Request { act: Act::Publish, resource: Resource::Stream(&name), peer: &peer, now };
        answer(policy.decide(&request, Some(&until_now)))
    };
    assert_eq!((at(NOW.plus_ns(-1)), at(NOW), at(NOW.plus_ns(1))), (A::Token, A::Old, A::Old));
}

#[test]
fn what_a_bad_credential_is_told_has_a_stable_type() {
    let policy = Policy::new(Loopback::Closed, Vec::new());
    let name = stream("live/cam1");
    let peer = raw("10.0.0.1");
    let request = Request { act: Act::Publish, resource: Resource::Stream(&name), peer: &peer, now: NOW };
    let told = |shown: Shown<'_>| match policy.decide(&request, shown) {
        Decision::Refuse(refusal) => (refusal.status(), refusal.problem_type()),
        Decision::Allow(rule) => panic!("{rule:?}"),
    };
    assert_eq!(told(Shown::Nothing), (401, "/problems/token-required"));
    for void in [Void::Unknown, Void::Unsigned, Void::Unusable("x".into())] {
        assert_eq!(told(Shown::Void(&void)), (401, "/problems/token-invalid"));
    }
    assert_eq!(told(Shown::Void(&Void::NotYet)), (401, "/problems/token-not-yet-valid"));
    let elsewhere = Networks::new(vec!["10.0.0.0/31".parse().unwrap()]).unwrap();
    let bound = Grant { networks: elsewhere, ..grant(&[Act::Publish], "live/*") };
    assert_eq!(answer(policy.decide(&request, Some(&bound))), A::Token);
    let there = raw("::ffff:10.0.0.2");
    let request = Request { peer: &there, ..request };
    match policy.decide(&request, Some(&bound)) {
        Decision::Refuse(refusal) => {
            assert_eq!((refusal.status(), refusal.problem_type()), (403, "/problems/token-insufficient"));
            assert!(refusal.detail.contains("from this address"), "{refusal}");
        }
        Decision::Allow(rule) => panic!("{rule:?}"),
    }
}

#[test]
fn a_bad_credential_takes_nothing_away() {
    let policy = Policy::default();
    let (near, far) = peers();
    let name = stream("live/cam1");
    let ask = |act, peer| {
        let request = Request { act, resource: Resource::Stream(&name), peer, now: NOW };
        matches!(policy.decide(&request, Shown::Void(&Void::Unsigned)), Decision::Allow(_))
    };
    assert!(ask(Act::Play, &far[0]) && ask(Act::Admin, &near[0]) && !ask(Act::Admin, &far[0]));
}

//! Who may do what: every route and every protocol with every kind of credential, against a table that was written by
//! hand. It runs in a network namespace of its own, so that "elsewhere" is a real address of another network.

use std::net::SocketAddr;
use std::process::Command;

use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};

use crate::credentials::{Issuer, Pair, SECRET, now_s, sign, tapeline, unsigned};
use crate::ffmpeg;
use crate::rtmp_peer::{self, Told, Wish};
use crate::server::{DEADLINE, Setup, TestServer, eventually};

/// The address of this machine that is not its loopback, inside the namespace.
const ELSEWHERE: &str = "10.9.9.1";
/// Tells the test that it runs inside. Not a setting: those are taken from a server's environment.
const INSIDE: &str = "IT_MATRIX_INSIDE";

/// What is asked of a request's sender, as columns of the table: live media, the past of `live/cam1`, making clips of it,
/// ruling over it, ruling over everything, and publishing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Live,
    Past,
    Make,
    Rule,
    All,
    Publish,
}

/// Rows: a credential. Columns: Live, Past, Make, Rule, All, Publish. `ok` is let through; `R` 401 token-required, `I`
/// 401 token-invalid, `X` 401 token-expired, `N` 401 token-not-yet-valid, `F` 403 token-insufficient, `-` cannot be shown.
/// Tokens are for live/* and everything comes from elsewhere, unless the name says otherwise.
const TABLE: &[(&str, &str)] = &[
    //                                 Live  Past  Make  Rule  All   Publish
    ("none, from this machine", "       ok    ok    ok    ok    ok    ok"),
    ("garbage, from this machine", "    ok    ok    ok    ok    ok    ok"),
    ("none", "                          ok    R     R     R     R     R"),
    ("garbage", "                       ok    I     I     I     I     I"),
    ("garbage like a token", "          ok    I     I     I     I     I"),
    ("token publish", "                 ok    F     F     F     F     ok"),
    ("token play", "                    ok    F     F     F     F     F"),
    ("token timeshift", "               ok    ok    F     F     F     F"),
    ("token clip", "                    ok    F     ok    F     F     F"),
    ("token admin", "                   ok    ok    ok    ok    F     ok"),
    ("token admin of everything", "     ok    ok    ok    ok    ok    ok"),
    ("token admin of other/*", "        ok    F     F     F     F     F"),
    ("token expired", "                 ok    X     X     X     X     X"),
    ("token revoked", "                 ok    I     I     I     I     I"),
    ("jwt publish", "                   ok    F     F     F     F     ok"),
    ("jwt play", "                      ok    F     F     F     F     F"),
    ("jwt timeshift", "                 ok    ok    F     F     F     F"),
    ("jwt clip", "                      ok    F     ok    F     F     F"),
    ("jwt admin", "                     ok    ok    ok    ok    F     ok"),
    ("jwt admin of everything", "       ok    ok    ok    ok    ok    ok"),
    ("jwt EdDSA admin", "               ok    ok    ok    ok    F     ok"),
    ("jwt RS256 timeshift", "           ok    ok    F     F     F     -"),
    ("jwt of other/*", "                ok    F     F     F     F     F"),
    ("jwt from here only", "            ok    ok    ok    ok    F     ok"),
    ("jwt from 192.0.2.0/24 only", "    ok    F     F     F     F     F"),
    ("jwt expired", "                   ok    X     X     X     X     X"),
    ("jwt of the future", "             ok    N     N     N     N     N"),
    ("jwt without end", "               ok    I     I     I     I     I"),
    ("jwt with an unknown limit", "     ok    I     I     I     I     I"),
    ("jwt for another audience", "      ok    I     I     I     I     I"),
    ("jwt of another secret", "         ok    I     I     I     I     I"),
    ("jwt of an unknown key", "         ok    I     I     I     I     I"),
    ("jwt of another algorithm", "      ok    I     I     I     I     I"),
    ("jwt alg none", "                  ok    I     I     I     I     I"),
    ("jwt HS256 of a public key", "     ok    I     I     I     I     I"),
    ("jwt revoked by jti", "            ok    I     I     I     I     I"),
    ("jwt of a revoked key", "          ok    I     I     I     I     I"),
    ("path of live/cam1", "             ok    ok    -     -     -     -"),
    ("path of another stream", "        ok    I     -     -     -     -"),
    ("path forged", "                   ok    I     -     -     -     -"),
    ("path of a revoked jti", "         ok    I     -     -     -     -"),
    ("path of a revoked token", "       ok    I     -     -     -     -"),
];

/// A route: method, path with `{s}` for a stream and `{a}` for an asset, body, class, class where `{a}` is missing, and
/// the statuses of who is let through: where it is there, where it is missing.
type Route = (&'static str, &'static str, Option<&'static str>, Class, Class, &'static [u16], &'static [u16]);

use Class::{All, Live, Make, Past, Publish, Rule};

/// Every route but those of media. What is not there is looked at like what nobody has access to.
const ROUTES: &[Route] = &[
    ("GET", "/api/v1/openapi.json", None, Live, Live, &[200], &[200]),
    ("GET", "/api/v1/streams", None, All, All, &[200], &[200]),
    ("GET", "/api/v1/streams/{s}", None, Past, Past, &[200], &[404]),
    ("DELETE", "/api/v1/streams/{s}", None, Rule, Rule, &[409], &[404]),
    ("GET", "/api/v1/streams/{s}/timeline", None, Past, Past, &[200], &[404]),
    ("POST", "/api/v1/streams/{s}/split", Some("{}"), Make, Make, &[409], &[404]),
    ("POST", "/api/v1/streams/{s}/clips", Some(r#"{"start":"-1s","end":"now"}"#), Make, Make, &[201], &[404]),
    ("GET", "/api/v1/retention", None, All, All, &[200], &[200]),
    ("GET", "/api/v1/streams/{s}/retention", None, Rule, Rule, &[200], &[200]),
    (
        "PUT",
        "/api/v1/streams/{s}/retention",
        Some(r#"{"max_age":"7d"}"#),
        Rule,
        Rule,
        &[200, 201],
        &[200, 201],
    ),
    ("DELETE", "/api/v1/streams/{s}/retention", None, Rule, Rule, &[204, 404], &[204, 404]),
    ("GET", "/api/v1/streams/{s}/protections", None, Rule, Rule, &[200], &[404]),
    (
        "POST",
        "/api/v1/streams/{s}/protections",
        Some(r#"{"start":"-1s","end":"now"}"#),
        Rule,
        Rule,
        &[201],
        &[404],
    ),
    ("DELETE", "/api/v1/streams/{s}/protections/{id}", None, Rule, Rule, &[404], &[404]),
    ("GET", "/api/v1/assets", None, All, All, &[200], &[200]),
    ("GET", "/api/v1/assets?stream={s}", None, Past, Past, &[200], &[200]),
    ("GET", "/api/v1/assets/{a}", None, Past, All, &[200], &[404]),
    ("PATCH", "/api/v1/assets/{a}", Some(r#"{"title":"x"}"#), Rule, All, &[200], &[404]),
    ("DELETE", "/api/v1/assets/{a}", None, Rule, All, &[501], &[404]),
    ("GET", "/api/v1/tokens", None, All, All, &[200], &[200]),
    ("POST", "/api/v1/tokens", Some("{}"), All, All, &[400], &[400]),
    ("GET", "/api/v1/tokens/{id}", None, All, All, &[404], &[404]),
    ("DELETE", "/api/v1/tokens/{id}", None, All, All, &[404], &[404]),
    ("GET", "/api/v1/keys", None, All, All, &[200], &[200]),
    ("POST", "/api/v1/keys", Some("{}"), All, All, &[400], &[400]),
    ("GET", "/api/v1/keys/{key}", None, All, All, &[404], &[404]),
    ("DELETE", "/api/v1/keys/{key}", None, All, All, &[404], &[404]),
    ("DELETE", "/api/v1/keys/{key}/tokens/{jti}", None, All, All, &[204], &[204]),
    ("GET", "/api/{*rest}", None, Live, Live, &[404], &[404]),
    ("GET", "/api/docs", None, Live, Live, &[200], &[200]),
    ("GET", "/api/docs/page.js", None, Live, Live, &[200], &[200]),
    ("GET", "/api/docs/page.css", None, Live, Live, &[200], &[200]),
    ("GET", "/metrics", None, All, All, &[200], &[200]),
    ("GET", "/healthz", None, Live, Live, &[200], &[200]),
    ("GET", "/readyz", None, Live, Live, &[200], &[200]),
    ("GET", "/", None, Live, Live, &[200], &[200]),
    ("GET", "/console", None, Live, Live, &[200], &[200]),
    ("GET", "/console/", None, Live, Live, &[200], &[200]),
    ("GET", "/console/{*path}", None, Live, Live, &[200], &[200]),
];

/// Media. `{seg}` and `{init}` are what the live list names.
const MEDIA: &[Route] = &[
    ("GET", "/{s}.m3u8", None, Live, Live, &[200], &[404]),
    ("HEAD", "/{s}.m3u8", None, Live, Live, &[200], &[404]),
    ("GET", "/{s}.m3u8?start=-2s", None, Past, Past, &[307], &[404]),
    ("GET", "/{s}.m3u8?delay=5s", None, Past, Past, &[307], &[404]),
    ("GET", "/{s}.m3u8?start=1000&end=2000", None, Past, Past, &[404], &[404]),
    ("GET", "/{s}/-/media.m3u8", None, Live, Live, &[200], &[404]),
    ("GET", "/{s}/-/media.m3u8?start=1000", None, Past, Past, &[404, 200], &[404]),
    ("GET", "/{s}/-/{seg}", None, Live, Live, &[200], &[404]),
    ("GET", "/{s}/-/{init}", None, Live, Live, &[200], &[404]),
    ("GET", "/{s}.mp4?start=-1s&end=now", None, Past, Past, &[307], &[404]),
    ("HEAD", "/{s}.mp4?start=-1s&end=now", None, Past, Past, &[307], &[404]),
    ("GET", "/{s}.mp4", None, Past, Past, &[400], &[404]),
    ("GET", "/{s}.mpd", None, Live, Live, &[501], &[501]),
    ("GET", "/{s}.mpd?start=-2s", None, Past, Past, &[501], &[501]),
    ("GET", "/{s}.flv", None, Live, Live, &[501], &[501]),
    ("GET", "/{s}.flv?start=-2s", None, Past, Past, &[501], &[501]),
    ("GET", "/{s}.ts", None, Live, Live, &[501], &[501]),
    ("GET", "/{s}.ts?delay=5s", None, Past, Past, &[501], &[501]),
    ("GET", "/{s}.wav?start=-1s&end=now", None, Past, Past, &[501], &[501]),
    ("GET", "/{s}.jpg", None, Live, Live, &[501], &[501]),
    ("GET", "/{s}.jpg?at=-2s", None, Past, Past, &[501], &[501]),
    ("GET", "/{s}.vtt?start=-2s", None, Past, Past, &[501], &[501]),
    ("GET", "/assets/{a}.mp4", None, Past, All, &[200], &[404]),
    ("GET", "/assets/{a}.m3u8", None, Past, All, &[200], &[404]),
    ("GET", "/assets/{a}/-/media.m3u8", None, Past, All, &[200], &[404]),
];

/// A credential: how it is shown, and from where.
#[derive(Clone)]
enum Shown {
    Nothing,
    Token(String),
    Path(String),
}

struct World {
    server: TestServer,
    near: SocketAddr,
    far: SocketAddr,
    far_rtmp: SocketAddr,
    near_rtmp: SocketAddr,
    asset: String,
    segment: String,
    init: String,
}

#[test]
fn every_route_with_every_credential_answers_as_the_table_says() {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(inside());
    }
    let exe = std::env::current_exe().unwrap();
    let up = format!("ip link set lo up && ip addr add {ELSEWHERE}/24 dev lo && exec \"$0\" \"$@\"");
    let done = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-c", &up])
        .arg(exe)
        .args([
            "--exact",
            "matrix::every_route_with_every_credential_answers_as_the_table_says",
            "--nocapture",
        ])
        .env(INSIDE, "1")
        .output()
        .expect("unshare is there (package util-linux)");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("1 passed"), "{said}");
    print!("{said}");
}

async fn inside() {
    let world = World::new().await;
    let (credentials, secrets) = credentials(&world).await;
    let names: Vec<&str> = credentials.iter().map(|(name, _)| *name).collect();
    let table: Vec<&str> = TABLE.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, table, "each row of the table has its credential, in order");
    world.has_a_row_for_each_route().await;
    let mut wrong = Vec::new();
    let mut cells = 0;
    for ((name, shown), (_, row)) in credentials.iter().zip(TABLE) {
        let codes: Vec<&str> = row.split_whitespace().collect();
        let near = name.ends_with("from this machine");
        for route in ROUTES.iter().chain(MEDIA) {
            cells += world.check(route, name, shown, near, &codes, &mut wrong).await;
        }
        cells += world.check_rtmp(name, shown, near, &codes, &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("{cells} cells, {} log lines", world.server.log.all().len());
    world.no_secret_is_in_the_log(&secrets);
}

impl World {
    async fn new() -> Self {
        let mut setup = Setup::new()
            .env("TAPELINE_HTTP__LISTEN", "0.0.0.0:0")
            .env("TAPELINE_RTMP__LISTEN", "0.0.0.0:0")
            .env("TAPELINE_LOG__LEVEL", "trace")
            .env("TAPELINE_LOG__FORMAT", "json");
        for (name, value) in Issuer::settings() {
            setup = setup.env(name, value);
        }
        let server = setup.start().await;
        let at = |ip: &str, port: u16| SocketAddr::new(ip.parse().unwrap(), port);
        let (near, far) = (at("127.0.0.1", server.http.port()), at(ELSEWHERE, server.http.port()));
        let (near_rtmp, far_rtmp) = (at("127.0.0.1", server.rtmp.port()), at(ELSEWHERE, server.rtmp.port()));
        let mut publisher = ffmpeg::publish(&format!("rtmp://{near_rtmp}/live/cam1"));
        let list = eventually("a segment of live/cam1", DEADLINE, async || {
            let answer =
                server.client.get(format!("http://{near}/live/cam1/-/media.m3u8")).send().await.ok()?;
            let list = answer.text().await.ok()?;
            (list.matches(".m4s").count() >= 3).then_some(list)
        })
        .await;
        publisher.kill();
        let named = |end: &str| {
            let mut words = list.split(['\n', '"', '/']).filter(|word| word.ends_with(end));
            words.next_back().unwrap().to_owned()
        };
        let (segment, init) = (named(".m4s"), named(".init.mp4"));
        let asset = eventually("the recording is ready", DEADLINE, async || {
            let url = format!("http://{near}/api/v1/assets?kind=recording&status=ready");
            let found: Value = server.client.get(url).send().await.ok()?.json().await.ok()?;
            found["items"][0]["id"].as_str().map(str::to_owned)
        })
        .await;
        Self { server, near, far, far_rtmp, near_rtmp, asset, segment, init }
    }

    /// The path of a route for what is there, or for what is not.
    fn path(&self, template: &str, there: bool) -> String {
        let (stream, asset) = if there { ("live/cam1", &*self.asset) } else { ("live/none", "none") };
        let path = template.replace("{s}", stream).replace("{a}", asset);
        let path = path.replace("{seg}", &self.segment).replace("{init}", &self.init);
        let path = path.replace("{id}", "none").replace("{key}", "none").replace("{jti}", "none");
        path.replace("{*rest}", "nothing").replace("{*path}", "library")
    }

    /// Asks one route in each way that a credential can be shown, for what is there and for what is not. Gives how many
    /// cells that were.
    async fn check(
        &self,
        route: &Route,
        name: &str,
        shown: &Shown,
        near: bool,
        codes: &[&str],
        wrong: &mut Vec<String>,
    ) -> usize {
        let (method, template, body, class, missing_class, ok, ok_missing) = *route;
        let is_media = MEDIA.iter().any(|(_, known, ..)| *known == template);
        let ways: &[&str] = match shown {
            Shown::Nothing => &["as it is"],
            Shown::Token(_) => &["Authorization", "?token="],
            Shown::Path(_) if is_media => &["path"],
            Shown::Path(_) => return 0,
        };
        let mut cells = 0;
        for way in ways {
            let mut refusals = Vec::new();
            for (there, class, ok) in [(true, class, ok), (false, missing_class, ok_missing)] {
                let code = match (codes[class as usize], shown) {
                    // A path is for one stream, so what is missing is another one to it.
                    ("ok", Shown::Path(_)) if !there && class == Past => "I",
                    (code, _) => code,
                };
                // A path grant is for a stream; what is of none is looked at in other rows.
                if code == "-" || (matches!(shown, Shown::Path(_)) && class == All) {
                    continue;
                }
                cells += 1;
                let path = self.path(template, there);
                let (status, kind, detail) = self.ask((method, &path, body), shown, way, near).await;
                let good = match expected(code) {
                    None => ok.contains(&status),
                    Some((want, _)) if method == "HEAD" => status == want,
                    Some((want, problem)) => (status, kind.as_str()) == (want, problem),
                };
                if !good {
                    wrong.push(format!(
                        "{name} ({way}): {method} {path}: {status} {kind}, the table says {code}, {ok:?}"
                    ));
                }
                if code != "ok" {
                    refusals.push(detail.replace(&path, "").replace("live/none", "live/cam1"));
                }
            }
            if refusals.len() == 2 && class == missing_class && refusals[0] != refusals[1] {
                wrong.push(format!(
                    "{name}: {method} {template}: what is there is refused unlike what is not: {refusals:?}"
                ));
            }
        }
        cells
    }

    async fn ask(
        &self,
        (method, path, body): (&str, &str, Option<&str>),
        shown: &Shown,
        way: &str,
        near: bool,
    ) -> (u16, String, String) {
        let base = if near { self.near } else { self.far };
        let joint = if path.contains('?') { '&' } else { '?' };
        let url = match shown {
            Shown::Path(grant) => format!("http://{base}/~{grant}{path}"),
            Shown::Token(token) if way == "?token=" => format!("http://{base}{path}{joint}token={token}"),
            _ => format!("http://{base}{path}"),
        };
        let mut request = self.server.client.request(method.parse::<Method>().unwrap(), url);
        if let (Shown::Token(token), "Authorization") = (shown, way) {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let is_problem =
            answer.headers().get("content-type").is_some_and(|kind| kind == "application/problem+json");
        if !is_problem {
            return (status, String::new(), String::new());
        }
        let problem: Value = answer.json().await.unwrap_or_default();
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        (status, text("type"), text("detail") + &text("command"))
    }

    async fn check_rtmp(
        &self,
        name: &str,
        shown: &Shown,
        near: bool,
        codes: &[&str],
        wrong: &mut Vec<String>,
    ) -> usize {
        let query = match shown {
            Shown::Nothing => String::new(),
            Shown::Token(token) => format!("token={token}"),
            Shown::Path(_) => return 0,
        };
        let to = if near { self.near_rtmp } else { self.far_rtmp };
        let mut cells = 0;
        for (wish, key, class) in [
            (Wish::Publish, "cam2?", Publish),
            (Wish::Play, "cam1?", Live),
            (Wish::Play, "cam1?start=-5s&", Past),
        ] {
            let code = codes[class as usize];
            if code == "-" {
                continue;
            }
            cells += 1;
            let told = rtmp_peer::ask(to, "live", wish, &format!("{key}{query}")).await;
            let words = match code {
                // The past is let through and then not built.
                "ok" if class == Past => "time queries over RTMP are not there",
                "ok" => "",
                "R" => "and none was given",
                "I" => "the one given ",
                "X" => "has expired",
                "N" => "is not valid yet",
                _ => "given token",
            };
            let good = match &told {
                Told::Granted => code == "ok" && class != Past,
                Told::Refused(said) => !words.is_empty() && said.contains(words),
            };
            if !good {
                wrong.push(format!("{name}: {wish:?} {key}: {told:?}, the table says {code}"));
            }
        }
        cells
    }

    /// A route that nobody has thought about here fails the test.
    async fn has_a_row_for_each_route(&self) {
        let url = format!("http://{}/api/v1/openapi.json", self.near);
        let api: Value = self.server.client.get(url).send().await.unwrap().json().await.unwrap();
        let mut known: Vec<String> = ROUTES
            .iter()
            .map(|(method, path, ..)| format!("{method} {}", path.split('?').next().unwrap()))
            .map(|row| row.replace("{s}", "{app}/{stream}").replace("{a}", "{id}"))
            .collect();
        known.sort();
        known.dedup();
        for (path, item) in api["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                let call = format!("{} /api/v1{path}", method.to_uppercase());
                assert!(known.contains(&call), "{call} has no row");
            }
        }
        let source = include_str!("../../src/http/mod.rs");
        for path in source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(known.contains(&format!("GET {path}")), "{path} has no row");
        }
    }

    fn no_secret_is_in_the_log(&self, secrets: &[String]) {
        let lines = self.server.log.all();
        assert!(lines.iter().any(|line| line.contains("\"TRACE\"")), "the log tells everything");
        for line in &lines {
            let parsed: Result<Value, _> = serde_json::from_str(line);
            assert!(parsed.is_ok_and(|line| line["message"].is_string()), "no JSON: {line}");
            for secret in secrets {
                // A part is as bad as the whole.
                for part in secret.split('.').filter(|part| part.len() >= 16) {
                    assert!(!line.contains(part), "{secret} is in the log: {line}");
                }
            }
        }
    }
}

/// Status and type of a code of the table; `None` for what is let through.
fn expected(code: &str) -> Option<(u16, &'static str)> {
    match code {
        "ok" => None,
        "R" => Some((401, "/problems/token-required")),
        "I" => Some((401, "/problems/token-invalid")),
        "X" => Some((401, "/problems/token-expired")),
        "N" => Some((401, "/problems/token-not-yet-valid")),
        "F" => Some((403, "/problems/token-insufficient")),
        other => panic!("{other}"),
    }
}

/// Every credential of the table, in its order, and every secret text that was used.
async fn credentials(world: &World) -> (Vec<(&'static str, Shown)>, Vec<String>) {
    let server = &world.server;
    let api = Api { server, base: format!("http://{}/api/v1", world.near) };
    let (ed, rsa) = (Pair::ed25519(), Pair::rsa());
    for (id, algorithm, pair) in [("ed", "EdDSA", &ed), ("rsa", "RS256", &rsa)] {
        api.post("/keys", &json!({"id": id, "algorithm": algorithm, "public_key": pair.public_pem})).await;
    }
    let doomed = api.post("/keys", &json!({"id": "doomed", "algorithm": "HS256"})).await;
    let doomed = doomed["secret"].as_str().unwrap().to_owned();
    let of_doomed = sign(Algorithm::HS256, "doomed", doomed.as_bytes(), &Issuer::claims("admin", "*"));
    let claims = |changes: Value| {
        let mut claims = Issuer::claims("admin", "live/*");
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    };
    let jwt = |changes: Value| Issuer::sign(&claims(changes));
    let mut no_end = claims(json!({}));
    no_end.as_object_mut().unwrap().remove("exp");
    let (expiring, expiring_id) = api.token(json!({"act": "admin", "stream": "*", "expires": "1s"})).await;
    let (revoked, revoked_id) = api.token(json!({"act": "admin timeshift", "stream": "*"})).await;
    let revoked_jwt = jwt(json!({"act": "timeshift", "jti": "revoked-1"}));
    let watcher = jwt(json!({"act": "timeshift"}));
    let path = api.path("live/cam1", &watcher).await;
    let path_of_jti = api.path("live/cam1", &revoked_jwt).await;
    let path_of_token = api.path("live/cam1", &revoked).await;
    // A path for another stream needs that stream.
    let mut other = ffmpeg::publish(&format!("rtmp://{}/live/other", world.near_rtmp));
    let other_path =
        eventually("live/other has a list", DEADLINE, async || api.try_path("live/other", &watcher).await)
            .await;
    other.kill();
    api.delete(&format!("/tokens/{revoked_id}")).await;
    api.delete("/keys/site/tokens/revoked-1").await;
    api.delete("/keys/doomed").await;
    eventually("the token has run out", DEADLINE, async || {
        let token = api.get(&format!("/tokens/{expiring_id}")).await;
        let end = token["expires_at"].as_str()?.to_owned();
        let streams =
            server.client.get(format!("http://{}/api/v1/streams", world.far)).bearer_auth(&expiring);
        let answer = streams.send().await.ok()?.json::<Value>().await.ok()?;
        (answer["type"] == "/problems/token-expired" && !end.is_empty()).then_some(())
    })
    .await;
    let mut forged = path.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'Q' } else { 'A' });

    let mut all: Vec<(&'static str, Shown)> = Vec::new();
    let token = |text: &str| Shown::Token(text.to_owned());
    all.push(("none, from this machine", Shown::Nothing));
    all.push(("garbage, from this machine", token("nonsense")));
    all.push(("none", Shown::Nothing));
    all.push(("garbage", token("nonsense")));
    all.push(("garbage like a token", token(&format!("tl_{}", "A".repeat(43)))));
    for (name, act) in [
        ("token publish", "publish"),
        ("token play", "play"),
        ("token timeshift", "timeshift"),
        ("token clip", "clip"),
        ("token admin", "admin"),
    ] {
        all.push((name, Shown::Token(api.token(json!({"act": act, "stream": "live/*"})).await.0)));
    }
    // One as an operator makes it, with the command line; the server sees it after a moment.
    let everything = tapeline(server, &["token", "new", "--act", "admin", "--stream", "*"]);
    eventually("the operator's token works", DEADLINE, async || {
        let ask = server.client.get(format!("http://{}/api/v1/streams", world.far)).bearer_auth(&everything);
        (ask.send().await.ok()?.status() == 200).then_some(())
    })
    .await;
    all.push(("token admin of everything", token(&everything)));
    let elsewhere = api.token(json!({"act": "admin", "stream": "other/*"})).await.0;
    all.push(("token admin of other/*", Shown::Token(elsewhere)));
    all.push(("token expired", Shown::Token(expiring)));
    all.push(("token revoked", Shown::Token(revoked)));
    for (name, act) in [
        ("jwt publish", "publish"),
        ("jwt play", "play"),
        ("jwt timeshift", "timeshift"),
        ("jwt clip", "clip"),
        ("jwt admin", "admin"),
    ] {
        all.push((name, Shown::Token(jwt(json!({"act": act})))));
    }
    let rest = [
        ("jwt admin of everything", jwt(json!({"path": "*"}))),
        ("jwt EdDSA admin", ed.sign(Algorithm::EdDSA, "ed", &claims(json!({})))),
        ("jwt RS256 timeshift", rsa.sign(Algorithm::RS256, "rsa", &claims(json!({"act": ["timeshift"]})))),
        ("jwt of other/*", jwt(json!({"path": "other/*"}))),
        ("jwt from here only", jwt(json!({"cidr": ["10.9.9.0/24"]}))),
        ("jwt from 192.0.2.0/24 only", jwt(json!({"cidr": "192.0.2.0/24"}))),
        ("jwt expired", jwt(json!({"exp": now_s() - 90}))),
        ("jwt of the future", jwt(json!({"nbf": now_s() + 300}))),
        ("jwt without end", Issuer::sign(&no_end)),
        ("jwt with an unknown limit", jwt(json!({"max_sessions": 1}))),
        ("jwt for another audience", jwt(json!({"aud": "someone-else"}))),
        ("jwt of another secret", sign(Algorithm::HS256, "site", b"a guess", &claims(json!({})))),
        ("jwt of an unknown key", sign(Algorithm::HS256, "nobody", SECRET.as_bytes(), &claims(json!({})))),
        ("jwt of another algorithm", sign(Algorithm::HS512, "site", SECRET.as_bytes(), &claims(json!({})))),
        ("jwt alg none", unsigned("site", &claims(json!({})))),
        (
            "jwt HS256 of a public key",
            sign(Algorithm::HS256, "rsa", rsa.public_pem.trim().as_bytes(), &claims(json!({}))),
        ),
        ("jwt revoked by jti", revoked_jwt),
        ("jwt of a revoked key", of_doomed),
    ];
    all.extend(rest.map(|(name, text)| (name, Shown::Token(text))));
    let paths = [
        ("path of live/cam1", path),
        ("path of another stream", other_path),
        ("path forged", forged),
        ("path of a revoked jti", path_of_jti),
        ("path of a revoked token", path_of_token),
    ];
    all.extend(paths.map(|(name, text)| (name, Shown::Path(text))));
    let secrets = all.iter().filter_map(|(_, shown)| match shown {
        Shown::Token(text) | Shown::Path(text) if text.len() >= 16 => Some(text.clone()),
        _ => None,
    });
    let secrets = secrets.chain([SECRET.to_owned(), doomed]).collect();
    (all, secrets)
}

/// The API from this machine.
struct Api<'a> {
    server: &'a TestServer,
    base: String,
}

impl Api<'_> {
    async fn get(&self, path: &str) -> Value {
        self.server.client.get(format!("{}{path}", self.base)).send().await.unwrap().json().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.server.client.post(format!("{}{path}", self.base)).json(body).send().await.unwrap();
        let (status, told): (u16, Value) = (answer.status().as_u16(), answer.json().await.unwrap());
        assert_eq!(status, 201, "{path}: {told}");
        told
    }

    async fn delete(&self, path: &str) {
        let answer = self.server.client.delete(format!("{}{path}", self.base)).send().await.unwrap();
        assert_eq!(answer.status(), 204, "{path}");
    }

    /// A token's secret and id.
    async fn token(&self, ask: Value) -> (String, String) {
        let told = self.post("/tokens", &ask).await;
        (told["token"].as_str().unwrap().to_owned(), told["id"].as_str().unwrap().to_owned())
    }

    /// The grant in the paths that a master names for a token.
    async fn path(&self, stream: &str, token: &str) -> String {
        self.try_path(stream, token).await.unwrap()
    }

    async fn try_path(&self, stream: &str, token: &str) -> Option<String> {
        let base = self.base.trim_end_matches("/api/v1");
        let url = format!("{base}/{stream}.m3u8?token={token}");
        let answer = self.server.client.get(url).send().await.ok()?;
        let master = answer.text().await.ok()?;
        let grant = master.split('~').nth(1)?.split('/').next()?.to_owned();
        Some(grant)
    }
}

//! Every call of the API, in the order of the reference.

use serde_json::json;

use super::operation::{Operation, of, op};
use crate::http::problem::Kind;

/// All of them.
pub(super) fn calls() -> Vec<Operation> {
    [streams(), retention(), library(), tokens(), keys(), vec![description()]].into_iter().flatten().collect()
}

fn description() -> Operation {
    op("GET", "/openapi.json", "getDescription", "This description").gives(200, "Document")
}

fn streams() -> Vec<Operation> {
    let state = json!({"enum": ["live", "offline"]});
    let named = [Kind::BadUrl, Kind::NoSuchStream];
    vec![
        op("GET", "/streams", "listStreams", "Every stream that is live or recorded, by name")
            .needs("streams", "admin")
            .query("state", state, "Only those.")
            .paged()
            .gives(200, "StreamPage"),
        op("GET", "/streams/{app}/{stream}", "getStream", "One stream")
            .needs("streams", "timeshift")
            .gives(200, "Stream")
            .fails(&named),
        op(
            "DELETE",
            "/streams/{app}/{stream}",
            "kickPublisher",
            "Disconnects its publisher; what was recorded stays",
        )
        .needs("streams", "admin")
        .gives_nothing()
        .fails(&named)
        .fails(&[Kind::NotPublished]),
        op(
            "GET",
            "/streams/{app}/{stream}/timeline",
            "getTimeline",
            "What its tape holds, with gaps and their reasons",
        )
        .needs("streams", "timeshift")
        .query("start", of("Time"), "From here on.")
        .query("end", of("Time"), "Up to here.")
        .gives(200, "Timeline")
        .fails(&named)
        .fails(&[Kind::BadTime]),
        op(
            "POST",
            "/streams/{app}/{stream}/split",
            "split",
            "Ends the current recording and begins the next",
        )
        .needs("streams", "clip")
        .may_take("SplitRequest")
        .gives(201, "Asset")
        .fails(&named)
        .fails(&[Kind::NotPublished, Kind::NothingToSplit, Kind::DiskFull]),
        op(
            "POST",
            "/streams/{app}/{stream}/clips",
            "makeClip",
            "Stores a request for a range; no media is copied",
        )
        .needs("streams", "clip")
        .takes("ClipRequest")
        .gives(201, "Asset")
        .fails(&named)
        .fails(&[Kind::BadTime, Kind::OutsideTape, Kind::GapInRange, Kind::EpochConflict, Kind::NoKeyFrame])
        .fails(&[
            Kind::RangeTooLong,
            Kind::TooEarly,
            Kind::NotBuilt,
            Kind::DiskFull,
            Kind::DamagedTape,
        ]),
    ]
}

fn retention() -> Vec<Operation> {
    let named = [Kind::BadUrl, Kind::NoSuchStream];
    vec![
        op("GET", "/retention", "getServerRetention", "What the server keeps, and what would go now")
            .needs("retention", "admin")
            .gives(200, "ServerRetention"),
        op(
            "GET",
            "/streams/{app}/{stream}/retention",
            "getRetention",
            "What a stream may keep, and from where",
        )
        .needs("retention", "admin")
        .gives(200, "Retention")
        .fails(&[Kind::BadUrl]),
        op("PUT", "/streams/{app}/{stream}/retention", "putRetention", "What a stream may keep")
            .needs("retention", "admin")
            .query("dry_run", json!({"type": "boolean", "default": false}), "Only tells what would go.")
            .may_take("RetentionRequest")
            .gives(201, "Retention")
            .or_gives(200, "RetentionOrPlan")
            .fails(&[Kind::BadUrl, Kind::DiskFull]),
        op(
            "DELETE",
            "/streams/{app}/{stream}/retention",
            "deleteRetention",
            "Lets it follow the configuration again",
        )
        .needs("retention", "admin")
        .gives_nothing()
        .fails(&[Kind::BadUrl, Kind::NoSuchRule, Kind::DiskFull]),
        op("GET", "/streams/{app}/{stream}/protections", "listProtections", "Ranges that no retention takes")
            .needs("retention", "admin")
            .gives(200, "ProtectionPage")
            .fails(&named),
        op(
            "POST",
            "/streams/{app}/{stream}/protections",
            "protect",
            "Keeps a range until the protection is lifted",
        )
        .needs("retention", "admin")
        .takes("ProtectionRequest")
        .gives(201, "Protection")
        .fails(&named)
        .fails(&[Kind::BadTime, Kind::OutsideTape]),
        op("DELETE", "/streams/{app}/{stream}/protections/{id}", "liftProtection", "Lifts a protection")
            .needs("retention", "admin")
            .gives_nothing()
            .fails(&named)
            .fails(&[Kind::NoSuchRule]),
    ]
}

fn library() -> Vec<Operation> {
    let kinds = json!({"enum": ["clip", "recording", "upload", "rendition", "regen"]});
    let status = json!({"enum": ["recording", "pending", "ready", "failed"]});
    let words = json!({"type": "string", "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"});
    let stream = json!({"type": "string", "pattern": "^[A-Za-z0-9_]{1,100}/[A-Za-z0-9_]{1,100}$"});
    vec![
        op("GET", "/assets", "listAssets", "The library, newest first")
            .needs("assets", "timeshift` of the stream that is asked about, else `admin")
            .query("q", words.clone(), "In titles, tags and names of streams.")
            .query("tag", words.clone(), "Only with this tag.")
            .query("category", words, "Only of this category.")
            .query("kind", kinds, "Only of this kind.")
            .query("status", status, "Only of this status.")
            .query("stream", stream, "Only of this stream.")
            .query("from", of("Time"), "Made from here on.")
            .query("to", of("Time"), "Made before.")
            .paged()
            .gives(200, "AssetPage")
            .fails(&[Kind::BadValue]),
        op("GET", "/assets/{id}", "getAsset", "One asset")
            .needs("assets", "timeshift")
            .gives(200, "Asset")
            .fails(&[Kind::BadUrl, Kind::NoSuchAsset]),
        op("PATCH", "/assets/{id}", "labelAsset", "Changes what people say about it")
            .needs("assets", "admin")
            .may_take("AssetPatch")
            .gives(200, "Asset")
            .fails(&[Kind::BadUrl, Kind::NoSuchAsset, Kind::DiskFull]),
        op("DELETE", "/assets/{id}", "deleteAsset", "Takes away a clip, its file and its hold on the tape")
            .needs("assets", "admin")
            .gives_nothing()
            .fails(&[Kind::BadUrl, Kind::NoSuchAsset, Kind::NotBuilt, Kind::DiskFull]),
    ]
}

fn tokens() -> Vec<Operation> {
    vec![
        op("GET", "/tokens", "listTokens", "The opaque tokens, newest first, without their secrets")
            .needs("access", "admin")
            .paged()
            .gives(200, "TokenPage"),
        op("POST", "/tokens", "makeToken", "A token; its secret is told this once")
            .needs("access", "admin")
            .takes("TokenRequest")
            .gives(201, "NewToken")
            .fails(&[Kind::DiskFull]),
        op("GET", "/tokens/{id}", "getToken", "One token")
            .needs("access", "admin")
            .gives(200, "Token")
            .fails(&[Kind::BadUrl, Kind::NoSuchToken]),
        op(
            "DELETE",
            "/tokens/{id}",
            "revokeToken",
            "Revokes it; connections that rest on it end within five seconds",
        )
        .needs("access", "admin")
        .gives_nothing()
        .fails(&[Kind::BadUrl, Kind::NoSuchToken, Kind::DiskFull]),
    ]
}

fn keys() -> Vec<Operation> {
    vec![
        op(
            "GET",
            "/keys",
            "listKeys",
            "What signed tokens are checked with: the configuration's, then the database's",
        )
        .needs("access", "admin")
        .paged()
        .gives(200, "KeyPage"),
        op("POST", "/keys", "makeKey", "A key; a shared secret is drawn and told this once")
            .needs("access", "admin")
            .takes("KeyRequest")
            .gives(201, "NewKey")
            .fails(&[Kind::DiskFull]),
        op("GET", "/keys/{key}", "getKey", "One key")
            .needs("access", "admin")
            .gives(200, "Key")
            .fails(&[Kind::BadUrl, Kind::NoSuchKey]),
        op("DELETE", "/keys/{key}", "revokeKey", "Revokes it with every token that it signed")
            .needs("access", "admin")
            .gives_nothing()
            .fails(&[Kind::BadUrl, Kind::NoSuchKey, Kind::InConfiguration, Kind::DiskFull]),
        op(
            "DELETE",
            "/keys/{key}/tokens/{jti}",
            "revokeSignedToken",
            "Revokes one token that the key signed",
        )
        .needs("access", "admin")
        .query("expires_at", of("Time"), "Its `exp`; from then on it need not be remembered.")
        .gives_nothing()
        .fails(&[Kind::BadUrl, Kind::BadValue, Kind::DiskFull]),
    ]
}

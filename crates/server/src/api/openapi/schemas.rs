//! The bodies of the API. What an answer may hold is said in full, so that a member that nobody described is found.

use serde_json::{Value, json};

use super::operation::of;

/// All of them by name.
pub(super) fn schemas() -> Value {
    let mut all = media();
    for part in [asset(), requests(), retention(), access()] {
        let part = part.as_object().expect("schemas by name").clone();
        all.as_object_mut().expect("schemas by name").extend(part);
    }
    all
}

/// An object of exactly these members, all of which are always there.
fn exactly(members: Value) -> Value {
    let names: Vec<&String> = members.as_object().expect("members by name").keys().collect();
    json!({"type": "object", "required": names, "additionalProperties": false, "properties": members})
}

/// An object of exactly these members, some of which may be absent.
fn some(members: Value, absent: &[&str]) -> Value {
    let mut object = exactly(members);
    let required = object["required"].as_array_mut().expect("it was made as one");
    required.retain(|name| !absent.contains(&name.as_str().unwrap_or_default()));
    object
}

fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn list(schema: &Value) -> Value {
    json!({"type": "array", "items": schema})
}

fn page(item: &str) -> Value {
    exactly(json!({"items": list(&of(item)), "next": {"type": ["string", "null"]}}))
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// A text of people: no control characters. What is limited is its bytes; a schema can only count characters.
fn text(bytes_max: u32) -> Value {
    json!({"type": "string", "maxLength": bytes_max, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"})
}

fn media() -> Value {
    let time = json!({"type": "string", "format": "date-time"});
    let instant = concat!(
        "^(now|-([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]*\\.?[0-9]*s)?|[0-9.]+|",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+ -][0-9]{2}:[0-9]{2}))$"
    );
    let range = exactly(json!({"start": time, "end": time}));
    let publisher =
        exactly(json!({"protocol": {"type": "string"}, "remote": {"type": "string"}, "since": time}));
    let tape = exactly(json!({
        "start": time, "end": time, "bytes": count(), "durable_until": or_null(time.clone()),
    }));
    let run = exactly(json!({
        "id": count(), "start": time, "end": time, "live": {"type": "boolean"},
        "durable_until": or_null(time.clone()),
    }));
    json!({
        "Time": {
            "description": "RFC 3339, epoch seconds or milliseconds, `now`, or relative: `-90s`, `-1d2h3m4.5s`.",
            "anyOf": [{"type": "string", "pattern": instant}, {"type": "number", "minimum": 0}],
        },
        "Range": range,
        "Problem": {
            "type": "object", "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
                "detail": {"type": "string"},
                "command": {"type": "string", "description": "The command that makes a token that would be let through."},
            },
        },
        "Document": {"type": "object", "required": ["openapi", "info", "paths"]},
        "Gap": exactly(json!({"start": time, "end": time, "reason": {"type": "string"}})),
        "Track": {
            "type": "object", "required": ["id", "kind", "codec"],
            "properties": {
                "id": count(), "kind": {"enum": ["video", "audio", "data"]}, "codec": {"type": "string"},
                "codecs": {"type": "string"}, "width": count(), "height": count(), "fps": {"type": "number"},
                "sample_rate": count(), "channels": count(), "bitrate": count(),
            },
        },
        "Epoch": exactly(json!({"start": time, "tracks": list(&of("Track"))})),
        "Stream": exactly(json!({
            "app": {"type": "string"}, "stream": {"type": "string"}, "state": {"enum": ["live", "offline"]},
            "publisher": or_null(publisher), "tracks": list(&of("Track")), "bitrate": count(), "viewers": count(),
            "packets_dropped": count(), "tape": or_null(tape),
        })),
        "StreamPage": page("Stream"),
        "Timeline": exactly(json!({
            "start": or_null(time.clone()), "end": or_null(time.clone()), "runs": list(&run), "gaps": list(&of("Gap")),
            "epochs": list(&of("Epoch")), "markers": {"type": "array"},
        })),
    })
}

fn asset() -> Value {
    let time = json!({"type": "string", "format": "date-time"});
    let words = json!({"type": ["string", "null"]});
    let members = json!({
        "id": {"type": "string"}, "kind": {"enum": ["clip", "recording", "upload", "rendition", "regen"]},
        "status": {"enum": ["recording", "pending", "ready", "failed"]}, "error": words, "title": {"type": "string"},
        "tags": list(&json!({"type": "string"})), "category": words, "owner": words,
        "visibility": {"enum": ["private", "public"]}, "stream": words, "requested": or_null(of("Range")),
        "start": or_null(time.clone()), "end": or_null(time.clone()),
        "duration": {"type": ["number", "null"], "minimum": 0}, "durable": {"type": "boolean"},
        "bytes": {"type": ["integer", "null"], "minimum": 0}, "path": words,
        "width": {"type": ["integer", "null"]}, "height": {"type": ["integer", "null"]}, "video_codec": words,
        "audio_codec": words, "accuracy": words, "gaps": list(&of("Gap")), "epochs": list(&of("Epoch")),
        "url": {"type": "string"}, "created_at": time, "updated_at": time,
        "next": {"type": "string", "description": "After a split: the asset that began."},
        "split_at": time,
    });
    json!({"Asset": some(members, &["error", "next", "split_at"]), "AssetPage": page("Asset")})
}

fn requests() -> Value {
    let tags = json!({"type": "array", "maxItems": 64, "items": label(128)});
    let split = json!({
        "title": or_null(text(1024)), "tags": or_null(tags.clone()), "category": or_null(text(256)),
        "at": {"enum": ["edge", "key"]},
    });
    let clip = json!({
        "start": of("Time"), "end": of("Time"), "accuracy": {"enum": ["editlist", "gop"]},
        "gaps": {"enum": ["collapse", "hold", "fail"]}, "title": or_null(text(1024)), "tags": or_null(tags.clone()),
        "category": or_null(text(256)), "materialize": {"type": "boolean"},
        "wait": {"type": "integer", "minimum": 0, "maximum": 55},
    });
    let patch = json!({
        "title": or_null(text(1024)), "tags": or_null(tags), "category": or_null(text(256)),
        "owner": or_null(text(256)), "visibility": {"anyOf": [{"enum": ["private", "public"]}, {"type": "null"}]},
    });
    json!({
        "SplitRequest": some(split, &["title", "tags", "category", "at"]),
        "ClipRequest": some(clip, &["accuracy", "gaps", "title", "tags", "category", "materialize", "wait"]),
        "AssetPatch": some(patch, &["title", "tags", "category", "owner", "visibility"]),
    })
}

fn retention() -> Value {
    let time = json!({"type": "string", "format": "date-time"});
    let from = json!({"enum": ["stream", "policy", "server", null]});
    let (seconds, bytes) =
        (json!({"type": ["number", "null"]}), json!({"type": ["integer", "null"], "minimum": 0}));
    let rule = json!({
        "app": {"type": "string"}, "stream": {"type": "string"}, "max_age": seconds, "max_age_from": from,
        "max_bytes": bytes, "max_bytes_from": from,
    });
    let doomed = exactly(json!({
        "app": {"type": "string"}, "stream": {"type": "string"}, "start": time, "end": time, "bytes": count(),
        "reason": {"type": "string"},
    }));
    let plan = json!({
        "expire": list(&doomed), "extents": count(), "bytes": count(),
        "clips_copied_first": list(&json!({"type": "string"})), "short": count(),
    });
    let server = json!({
        "max_age": seconds, "max_bytes": bytes, "min_free": bytes,
        "volume": or_null(exactly(json!({"bytes": count(), "free": count()}))), "unlinking": count(),
        "next": of("RetentionPlan"),
    });
    let protection = json!({
        "id": {"type": "string"}, "start": or_null(time.clone()), "end": or_null(time), "label": {"type": "string"},
    });
    let age = json!({"anyOf": [
        {"type": "string", "pattern": "^[1-9][0-9]{0,3}(ms|s|m|h|d)$"},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10_000_000_000_u64},
        {"type": "null"},
    ]});
    let size = json!({"anyOf": [
        {"type": "string", "pattern": "^[1-9][0-9]{0,3}(B|kB|KB|KiB|MB|MiB|GB|GiB)$"}, count(), {"type": "null"},
    ]});
    let ask = json!({"start": of("Time"), "end": of("Time"), "label": text(1024)});
    json!({
        "Retention": exactly(rule),
        "RetentionPlan": exactly(plan),
        "RetentionOrPlan": {"anyOf": [of("Retention"), of("RetentionPlan")]},
        "ServerRetention": exactly(server),
        "RetentionRequest": some(json!({"max_age": age, "max_bytes": size}), &["max_age", "max_bytes"]),
        "Protection": exactly(protection),
        "ProtectionPage": page("Protection"),
        "ProtectionRequest": some(ask, &["label"]),
    })
}

/// A text of people that is not blank.
fn label(bytes_max: u32) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": bytes_max, "pattern": "^[A-Za-z0-9 _-]*[A-Za-z0-9_-]$"})
}

fn access() -> Value {
    let time = json!({"type": "string", "format": "date-time"});
    let words = json!({"type": ["string", "null"]});
    let act = json!({"enum": ["publish", "play", "timeshift", "clip", "admin"]});
    let token = json!({
        "id": {"type": "string"}, "key": words, "name": {"type": "string"}, "act": list(&act),
        "stream": {"type": "string"}, "created_at": time, "expires_at": or_null(time.clone()),
        "revoked_at": or_null(time.clone()),
    });
    let algorithm = json!({"enum": ["HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"]});
    let key = json!({
        "id": {"type": "string"}, "name": {"type": "string"}, "algorithm": algorithm, "issuer": words, "audience": words,
        "source": {"enum": ["database", "configuration"]}, "created_at": or_null(time.clone()),
        "revoked_at": or_null(time.clone()),
    });
    let with = |mut members: Value, name: &str, schema: Value| {
        members[name] = schema;
        exactly(members)
    };
    json!({
        "TokenPage": page("Token"),
        "NewToken": with(token.clone(), "token", json!({"type": "string"})),
        "Token": exactly(token),
        "TokenRequest": token_request(&act),
        "KeyPage": page("Key"),
        "NewKey": with(key.clone(), "secret", words),
        "Key": exactly(key),
        "KeyRequest": key_request(),
    })
}

/// An opaque token, or one that a key of the server signs: they take different members.
fn token_request(act: &Value) -> Value {
    let acts = json!({"anyOf": [act, {"type": "array", "minItems": 1, "items": act}]});
    let pattern = json!({
        "type": "string", "default": "*", "pattern": "^([A-Za-z0-9_]{1,40}/)*([A-Za-z0-9_]{1,40}|\\*)$",
        "description": "live/cam1, live/* for all below live, * for everything.",
    });
    let lifetime = json!({"type": "string", "pattern": "^0*[1-9][0-9]*[smhdw]$"});
    let opaque = json!({
        "act": acts, "stream": or_null(pattern.clone()), "name": or_null(text(256)), "expires": or_null(lifetime.clone()),
    });
    let network = json!({"type": "string", "description": "A network in CIDR notation, such as 10.0.0.0/8."});
    let signed = json!({
        "key": {"type": "string", "description": "The id of a key whose secret the server has."}, "act": acts, "stream": or_null(pattern),
        "subject": or_null(label(256)), "expires": lifetime, "cidr": {"type": "array", "maxItems": 16, "items": network},
    });
    json!({"anyOf": [
        some(opaque, &["stream", "name", "expires"]),
        some(signed, &["stream", "subject", "cidr"]),
    ]})
}

/// An HMAC, whose secret is drawn, or the public half of a key that signs elsewhere.
fn key_request() -> Value {
    let id = or_null(
        json!({"type": "string", "pattern": "^[A-Za-z0-9_:-]([A-Za-z0-9_.:-]{0,126}[A-Za-z0-9_:-])?$"}),
    );
    let words = or_null(label(256));
    let shared = json!({
        "algorithm": {"enum": ["HS256", "HS384", "HS512"]}, "id": id, "name": or_null(text(256)), "issuer": words,
        "audience": words,
    });
    let public = json!({
        "algorithm": {"enum": ["RS256", "ES256", "EdDSA"]},
        "public_key": {"type": "string", "pattern": "^-----BEGIN PUBLIC KEY-----", "description": "PEM."},
        "id": id, "name": or_null(text(256)), "issuer": words, "audience": words,
    });
    let free = ["id", "name", "issuer", "audience"];
    json!({"anyOf": [some(shared, &free), some(public, &free)]})
}

//! One call of the API as OpenAPI describes it. Problems come from the one table of problems, so their statuses are
//! those that are answered.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::http::problem::Kind;

/// What any call may be refused with, and what may go wrong in any call.
const ANY: [Kind; 3] = [Kind::MethodNotAllowed, Kind::Internal, Kind::Unavailable];
/// What any call with a body may answer.
const WITH_BODY: [Kind; 5] =
    [Kind::BadJson, Kind::BadValue, Kind::BodyTooSlow, Kind::BodyTooLarge, Kind::NotJson];

/// One call.
pub(super) struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    tag: &'static str,
    access: Access,
    query: Vec<Value>,
    body: Option<(Value, Body)>,
    success: Vec<(u16, Option<Value>)>,
    problems: Vec<Kind>,
}

/// Who may call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Anyone,
    WithAct(&'static str),
}

/// Whether a body has to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Required,
    Optional,
}

/// A call; `id` is what generated clients call it.
pub(super) fn op(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> Operation {
    Operation {
        method,
        path,
        id,
        summary,
        tag: "description",
        access: Access::Anyone,
        query: Vec::new(),
        body: None,
        success: Vec::new(),
        problems: ANY.to_vec(),
    }
}

/// A reference to a schema.
pub(super) fn of(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

impl Operation {
    /// Which part of the API it belongs to, and the act that it needs.
    pub(super) fn needs(mut self, tag: &'static str, act: &'static str) -> Self {
        (self.tag, self.access) = (tag, Access::WithAct(act));
        self
    }

    /// With a parameter of the query.
    pub(super) fn query(mut self, name: &str, schema: Value, description: &str) -> Self {
        self.query.push(json!({
            "name": name, "in": "query", "required": false, "schema": schema, "description": description,
        }));
        if !self.problems.contains(&Kind::BadQuery) {
            self.problems.push(Kind::BadQuery);
        }
        self
    }

    /// A list in pages.
    pub(super) fn paged(self) -> Self {
        self.query(
            "limit",
            json!({"type": "integer", "minimum": 1, "maximum": 500, "default": 50}),
            "Items of a page.",
        )
        .query("cursor", json!({"type": "string"}), "`next` of the page before.")
    }

    /// With a JSON body.
    pub(super) fn takes(self, schema: &str) -> Self {
        self.with_body(schema, Body::Required)
    }

    /// With a JSON body of which every member may be left out, and so all of it.
    pub(super) fn may_take(self, schema: &str) -> Self {
        self.with_body(schema, Body::Optional)
    }

    fn with_body(mut self, schema: &str, body: Body) -> Self {
        self.body = Some((of(schema), body));
        self.problems.extend(WITH_BODY);
        self
    }

    /// What it answers.
    pub(super) fn gives(mut self, status: u16, schema: &str) -> Self {
        self.success = vec![(status, Some(of(schema)))];
        self
    }

    /// What it answers at other times.
    pub(super) fn or_gives(mut self, status: u16, schema: &str) -> Self {
        self.success.push((status, Some(of(schema))));
        self
    }

    /// 204.
    pub(super) fn gives_nothing(mut self) -> Self {
        self.success = vec![(204, None)];
        self
    }

    /// What else it may answer.
    pub(super) fn fails(mut self, problems: &[Kind]) -> Self {
        self.problems.extend(problems);
        self
    }

    /// Its path below the server's.
    pub(super) fn path(&self) -> &'static str {
        self.path
    }

    /// Its method as OpenAPI writes it.
    pub(super) fn method(&self) -> String {
        self.method.to_ascii_lowercase()
    }

    /// The operation object, OpenAPI 3.1 §4.8.10.
    pub(super) fn render(&self) -> Value {
        let description = match self.access {
            Access::Anyone => "Open to everyone.".to_owned(),
            Access::WithAct(act) => format!("Needs the act `{act}`."),
        };
        let mut operation = json!({
            "operationId": self.id, "summary": self.summary, "description": description, "tags": [self.tag],
            "parameters": self.parameters(), "responses": self.responses(),
        });
        if self.access != Access::Anyone {
            operation["security"] = json!([{"bearer": []}, {"query": []}]);
        }
        if let Some((schema, body)) = &self.body {
            let required = *body == Body::Required;
            operation["requestBody"] =
                json!({"required": required, "content": {"application/json": {"schema": schema}}});
        }
        operation
    }

    fn parameters(&self) -> Vec<Value> {
        let names = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let of_path = names.map(|name| {
            let (schema, example, description) = path_parameter(name);
            json!({
                "name": name, "in": "path", "required": true, "schema": schema, "example": example,
                "description": description,
            })
        });
        of_path.chain(self.query.iter().cloned()).collect()
    }

    fn responses(&self) -> Value {
        let mut by_status: BTreeMap<u16, Vec<String>> = BTreeMap::new();
        for kind in &self.problems {
            let (status, name, _) = kind.row();
            by_status.entry(status).or_default().push(format!("/problems/{name}"));
        }
        if self.access != Access::Anyone {
            let of_401 = ["token-required", "token-invalid", "token-expired", "token-not-yet-valid"];
            by_status.insert(401, of_401.map(|name| format!("/problems/{name}")).to_vec());
            by_status.insert(403, vec!["/problems/token-insufficient".to_owned()]);
        }
        let problems = by_status.into_iter().map(|(status, mut types)| {
            types.sort();
            types.dedup();
            (status.to_string(), problem(&types))
        });
        let mut responses: serde_json::Map<String, Value> = problems.collect();
        for (status, schema) in &self.success {
            responses.insert(status.to_string(), success(*status, schema.as_ref()));
        }
        Value::Object(responses)
    }
}

fn success(status: u16, schema: Option<&Value>) -> Value {
    let mut response = json!({"description": if status == 204 { "Done." } else { "What was asked for." }});
    if let Some(schema) = schema {
        response["content"] = json!({"application/json": {"schema": schema}});
    }
    if status == 201 {
        response["description"] = json!("It was made.");
        response["headers"] = json!({"Location": {"required": true, "schema": {"type": "string"}}});
    }
    response
}

fn problem(types: &[String]) -> Value {
    let schema = json!({"allOf": [of("Problem"), {"properties": {"type": {"enum": types}}}]});
    json!({"description": types.join(" · "), "content": {"application/problem+json": {"schema": schema}}})
}

/// Schema, example and description of a part of a path.
fn path_parameter(name: &str) -> (Value, &'static str, &'static str) {
    let id = json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"});
    match name {
        "app" => (name_part(), "live", "The first part of the stream's name."),
        "stream" => (name_part(), "cam1", "The rest of its name; a slash in it is sent as it is or as %2F."),
        "key" => (id, "site", "The id of a key."),
        "jti" => (jti(), "order-66", "The token's jti."),
        _ => (id, "0199f3c2a1b07d3e8f9a0b1c2d3e4f50", "An id that a list told."),
    }
}

/// Any text that fits a URL; what is limited is its bytes.
fn jti() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[^/\\u0000-\\u001f\\u007f-\\u009f]+$"})
}

/// One part of a stream's name, of the names that people give; others are taken as far as URLs carry them.
fn name_part() -> Value {
    json!({"type": "string", "pattern": "^[A-Za-z0-9_]{1,100}$"})
}

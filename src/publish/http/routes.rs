//! Addresses and what is said of them, in one place: none is served that is not described.

use super::Room;
use axum::Router;
use axum::handler::Handler;
use axum::routing::{get, post};
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Schemas by name.
pub(super) type Schemas = Vec<(String, RefOr<Schema>)>;

/// Routes that are described.
pub(crate) struct Routes {
    router: Router<Room>,
    operations: Vec<Operation>,
}

/// One of them.
pub(super) struct Operation {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    pub(super) doc: Doc,
}

impl Routes {
    pub(crate) fn new() -> Self {
        Self { router: Router::new(), operations: Vec::new() }
    }

    /// Answers GET (and HEAD).
    pub(crate) fn get<H: Handler<T, Room>, T: 'static>(
        self,
        path: &'static str,
        doc: Doc,
        handler: H,
    ) -> Self {
        self.add(path, "get", doc, |router| router.route(path, get(handler)))
    }

    /// Answers POST.
    pub(crate) fn post<H: Handler<T, Room>, T: 'static>(
        self,
        path: &'static str,
        doc: Doc,
        handler: H,
    ) -> Self {
        self.add(path, "post", doc, |router| router.route(path, post(handler)))
    }

    fn add(
        mut self,
        path: &'static str,
        method: &'static str,
        doc: Doc,
        add: impl FnOnce(Router<Room>) -> Router<Room>,
    ) -> Self {
        self.operations.push(Operation { path, method, doc });
        Self { router: add(self.router), operations: self.operations }
    }

    /// Those of another room as well.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.operations.extend(other.operations);
        Self { router: self.router.merge(other.router), operations: self.operations }
    }

    pub(super) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    pub(super) fn router(self) -> Router<Room> {
        self.router
    }
}

/// What is said of one address.
pub(crate) struct Doc {
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    pub(super) content: Value,
    /// Besides those that every address may answer.
    pub(super) problems: Vec<u16>,
    pub(super) schemas: Schemas,
}

impl Doc {
    /// `id` is the name of the operation, for programs that are generated.
    pub(crate) fn new(id: &'static str, summary: &'static str) -> Self {
        let (parameters, problems, schemas) = (Vec::new(), Vec::new(), Vec::new());
        Self { id, summary, parameters, body: None, content: json!({}), problems, schemas }
    }

    /// Answers with this.
    pub(crate) fn returns<T: ToSchema>(mut self) -> Self {
        self.content = json!({ "application/json": { "schema": self.named::<T>() } });
        self
    }

    /// Answers with a page of these, and takes `limit` and `cursor`.
    pub(crate) fn returns_page_of<T: ToSchema>(mut self) -> Self {
        let item = self.named::<T>();
        let schema = json!({
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": { "type": "array", "items": item, "maxItems": super::asked::MOST },
                "next": { "type": ["string", "null"], "description": "What `cursor` has to be for the next page; null on the last one." },
            },
        });
        self.content = json!({ "application/json": { "schema": schema } });
        self.limit("How many.").query("cursor", "Where the last page ended: its `next`.")
    }

    /// Takes `limit`.
    pub(crate) fn limit(self, says: &str) -> Self {
        let limit = json!({ "type": "integer", "minimum": 1, "maximum": super::asked::MOST, "default": super::asked::USUAL });
        self.asked("limit", limit, says).refuses(&[400])
    }

    /// Answers with another kind of content.
    pub(crate) fn returns_kind(mut self, kind: &str, schema: Value) -> Self {
        self.content = Value::Object(Map::from_iter([(kind.to_owned(), json!({ "schema": schema }))]));
        self
    }

    /// Takes a body of this schema.
    pub(crate) fn takes(mut self, schema: &Value) -> Self {
        self.body =
            Some(json!({ "required": true, "content": { "application/json": { "schema": schema } } }));
        self.refuses(&[400, 413, 415, 422])
    }

    /// A moment, or how long ago it was, in the query.
    pub(crate) fn since(self) -> Self {
        // The usual forms of what `since` reads.
        let pattern = "^([0-9]{1,5}[smhdw]|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)$";
        let says = "From when on: a moment (RFC 3339), or how long ago, such as 24h.";
        self.asked("since", json!({ "type": "string", "pattern": pattern }), says).refuses(&[400])
    }

    /// A text in the query.
    pub(crate) fn query(self, name: &str, says: &str) -> Self {
        self.asked(name, json!({ "type": "string" }), says)
    }

    /// A text in the query that has to be there.
    pub(crate) fn needs(mut self, name: &str, says: &str) -> Self {
        let schema = json!({ "type": "string", "minLength": 1 });
        self.parameters.push(
            json!({ "name": name, "in": "query", "required": true, "schema": schema, "description": says }),
        );
        self.refuses(&[400])
    }

    /// One of these words in the query.
    pub(crate) fn query_of(self, name: &str, words: &[&str], says: &str) -> Self {
        self.asked(name, json!({ "type": "string", "enum": words }), says).refuses(&[400])
    }

    fn asked(mut self, name: &str, schema: Value, says: &str) -> Self {
        self.parameters.push(
            json!({ "name": name, "in": "query", "required": false, "schema": schema, "description": says }),
        );
        self
    }

    /// A part of the path.
    pub(crate) fn path(mut self, name: &str, says: &str) -> Self {
        let schema = json!({ "type": "string", "minLength": 1 });
        self.parameters.push(
            json!({ "name": name, "in": "path", "required": true, "schema": schema, "description": says }),
        );
        self.refuses(&[400, 404])
    }

    /// May answer these as well.
    pub(crate) fn refuses(mut self, statuses: &[u16]) -> Self {
        self.problems.extend(statuses);
        self
    }

    fn named<T: ToSchema>(&mut self) -> Value {
        let name = T::name().into_owned();
        T::schemas(&mut self.schemas);
        self.schemas.push((name.clone(), <T as PartialSchema>::schema()));
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }
}

//! The store of documents: addresses that are keys of their own and good for five minutes.

use std::{io::Write, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get as on_get,
};
use flate2::{Compression, write::GzEncoder};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::Url;

use super::{
    Shared,
    api::{Passed, Refusal},
    get, read_query,
    state::World,
};
use crate::{channels::calls::address, secrets::random_text};

const LIFE: SignedDuration = SignedDuration::from_mins(5);
const DENIED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";

/// What the store says where the address is not good, or no longer.
fn refused(words: String) -> Response {
    (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "application/xml")], words).into_response()
}

/// A document.
pub(super) struct Document {
    pub(super) bytes: Vec<u8>,
    content_type: String,
    /// Whether it is there: what a feed is to be made of has an address before it has a content.
    pub(super) uploaded: bool,
    /// Its addresses' keys and ends.
    keys: Vec<(String, Timestamp)>,
}

impl Document {
    pub(super) fn new(bytes: Vec<u8>, content_type: &str) -> Self {
        Self { bytes, content_type: content_type.to_owned(), uploaded: true, keys: Vec::new() }
    }
}

impl World {
    /// Keeps a document under a new id.
    pub(super) fn add_document(&mut self, document: Document) -> String {
        let id = format!("amzn1.spdoc.1.4.eu.{}.T{}", random_text(12), self.id());
        self.documents.insert(id.clone(), document);
        id
    }

    /// A fresh address of a document.
    fn address(&mut self, shared: &Shared, id: &str, now: Timestamp) -> Option<Url> {
        let document = self.documents.get_mut(id)?;
        let key = random_text(24);
        document.keys.push((key.clone(), now + LIFE));
        let query = [("X-Amz-Expires", LIFE.as_secs().to_string()), ("X-Amz-Signature", key)];
        Some(address(shared.url.get()?, &format!("/_documents/{id}"), &query))
    }
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/_documents/{id}", on_get(download).put(upload))
}

/// The document, if the address is good.
fn open<'a>(
    world: &'a mut World,
    now: Timestamp,
    id: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Option<&'a mut Document> {
    if headers.contains_key("x-amz-access-token") || headers.contains_key(header::AUTHORIZATION) {
        world.stats.tokens_to_store += 1;
    }
    let query = read_query(query);
    let key = get(&query, "X-Amz-Signature").unwrap_or_default();
    let found = world.documents.get_mut(id);
    found.filter(|document| document.keys.iter().any(|(known, until)| known == key && now < *until))
}

async fn download(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let now = shared.clock.now();
    let mut world = shared.world();
    let gzip = world.rules.gzip;
    match open(&mut world, now, &id, query.as_deref(), &headers) {
        Some(document) => {
            let kind = [(header::CONTENT_TYPE, document.content_type.clone())];
            (kind, if gzip { packed(&document.bytes) } else { document.bytes.clone() }).into_response()
        }
        None => refused(DENIED.to_owned()),
    }
}

async fn upload(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let now = shared.clock.now();
    let mut world = shared.world();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match open(&mut world, now, &id, query.as_deref(), &headers) {
        Some(document) if document.content_type == kind => {
            document.bytes = body.to_vec();
            document.uploaded = true;
            StatusCode::OK.into_response()
        }
        // The content type is part of what is signed.
        Some(_) => refused(DENIED.replace("AccessDenied", "SignatureDoesNotMatch")),
        None => refused(DENIED.to_owned()),
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).and_then(|()| packer.finish()).expect("writing to memory cannot fail")
}

pub(super) fn create_feed_document(world: &mut World, shared: &Shared, call: &Passed<'_>) -> Result<Value, Refusal> {
    let body = call.json()?;
    let kind = body["contentType"].as_str().filter(|kind| !kind.is_empty());
    let kind = kind.ok_or_else(|| Refusal::bad("contentType is missing"))?;
    let id = world.add_document(Document { uploaded: false, ..Document::new(Vec::new(), kind) });
    let url = world.address(shared, &id, call.now);
    Ok(json!({"feedDocumentId": id, "url": url}))
}

fn shown(world: &mut World, shared: &Shared, call: &Passed<'_>, name: &str) -> Result<Value, Refusal> {
    let id = call.id(0);
    let url = world.address(shared, id, call.now).ok_or_else(|| Refusal::not_found("The resource was not found."))?;
    let mut said = json!({"url": url});
    said[name] = id.into();
    if world.rules.gzip {
        said["compressionAlgorithm"] = "GZIP".into();
    }
    Ok(said)
}

pub(super) fn get_report_document(world: &mut World, shared: &Shared, call: &Passed<'_>) -> Result<Value, Refusal> {
    shown(world, shared, call, "reportDocumentId")
}

pub(super) fn get_feed_document(world: &mut World, shared: &Shared, call: &Passed<'_>) -> Result<Value, Refusal> {
    shown(world, shared, call, "feedDocumentId")
}

//! What the pretend Amazon was asked and what it answered, word for word: for those who judge both by Amazon's own models.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use futures_util::StreamExt as _;

/// Exchanges in the order of their answers. Copies share one journal.
#[derive(Debug, Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<Exchange>>>);

/// A request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// In capital letters.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// As sent.
    pub body: Bytes,
    /// Of the answer.
    pub status: u16,
    /// Names in small letters.
    pub answer_headers: Vec<(String, String)>,
    /// `None`: it was cut off.
    pub answer: Option<Bytes>,
}

impl Journal {
    /// What was written since this was last asked.
    pub fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes down what this router is asked.
    pub(super) fn of(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.clone(), keep))
    }
}

async fn keep(State(journal): State<Journal>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let response = next.run(Request::from_parts(head.clone(), Body::from(body.clone()))).await;
    let (answer_head, answer_body) = response.into_parts();
    let chunks: Vec<Result<Bytes, axum::Error>> = answer_body.into_data_stream().collect().await;
    let whole: Result<Vec<&[u8]>, _> = chunks.iter().map(|chunk| chunk.as_ref().map(|chunk| &chunk[..])).collect();
    let answer = whole.ok().map(|chunks| Bytes::from(chunks.concat()));
    let written = Exchange {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: texts(&head.headers),
        body,
        status: answer_head.status.as_u16(),
        answer_headers: texts(&answer_head.headers),
        answer: answer.clone(),
    };
    journal.0.lock().unwrap_or_else(PoisonError::into_inner).push(written);
    let body = answer.map_or_else(|| Body::from_stream(futures_util::stream::iter(chunks)), Body::from);
    Response::from_parts(answer_head, body)
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

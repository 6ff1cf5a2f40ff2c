//! Webhooks: checked, noted, answered. Nothing is called before the answer; what has to be done is a run.

use axum::{
    body::Bytes,
    extract::{
        OriginalUri, Path, State,
        rejection::{BytesRejection, PathRejection},
    },
    http::{HeaderMap, StatusCode},
};

use super::People;
use crate::{
    channels::{RawWebhook, WebhookFault},
    domain::ChannelName,
    keeper::NewsError,
};

/// Answers with an empty body, as every channel accepts: some count any other as a failure.
pub(super) async fn receive(
    State(people): State<People>,
    channel: Result<Path<String>, PathRejection>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> StatusCode {
    let (channel, body) = match (channel, body) {
        (Ok(Path(channel)), Ok(body)) => (channel, body),
        (Err(_), _) => return StatusCode::NOT_FOUND,
        (_, Err(refused)) => return refused.status(),
    };
    let channel = ChannelName::from(channel.as_str());
    // Signed is the address that the channel knows, not the one behind a proxy.
    let mut url = people.keeper.shops().page().address(&format!("webhooks/{channel}"));
    url.set_query(uri.query());
    let text = |value: &axum::http::HeaderValue| value.to_str().map(str::to_owned).ok();
    let headers = headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?))).collect();
    let Err(error) = people.keeper.hear(&channel, &RawWebhook { url, headers, body }).await else {
        return StatusCode::OK;
    };
    tracing::warn!(event = "webhook.refused", channel.name = %channel, "a webhook was not taken: {error}");
    match error {
        NewsError::NoSuchChannel(_) | NewsError::Silent(_) => StatusCode::NOT_FOUND,
        NewsError::Webhook(WebhookFault::Forged) => StatusCode::UNAUTHORIZED,
        NewsError::Webhook(WebhookFault::Unreadable(_)) => StatusCode::BAD_REQUEST,
        NewsError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

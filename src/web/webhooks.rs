//! Webhooks: checked, noted, answered. Nothing is called before the answer; what has to be done is a run.

use std::time::Duration;

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
    store::StoreError,
};

/// Within this time a webhook is noted and answered, or given back so that its sender repeats it. TikTok Shop waits for three
/// seconds and repeats what has no answer by then ("Respond to the webhook" in the vendor's configuration guide, see
/// <https://partner.tiktokshop.com/docv2/page/tts-webhooks-overview>), the others for longer; a second is left for the way there
/// and back. A real span: whoever sends it goes by the clock on the wall. Before it only the body is read, which is small.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

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
    let webhook = RawWebhook { url, headers, body };
    let heard = tokio::time::timeout(ANSWERED_WITHIN, people.keeper.hear(&channel, &webhook)).await;
    // Cut off in the middle of its transaction it is undone as a whole, or (cut off after it) a repetition.
    let heard = heard.unwrap_or(Err(NewsError::Store(StoreError::Unanswered(ANSWERED_WITHIN))));
    let Err(error) = heard else { return StatusCode::OK };
    tracing::warn!(event = "webhook.refused", channel.name = %channel, "a webhook was not taken: {error}");
    match error {
        NewsError::NoSuchChannel(_) | NewsError::Silent(_) => StatusCode::NOT_FOUND,
        NewsError::Webhook(WebhookFault::Forged) => StatusCode::UNAUTHORIZED,
        NewsError::Webhook(WebhookFault::Unreadable(_)) => StatusCode::BAD_REQUEST,
        NewsError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

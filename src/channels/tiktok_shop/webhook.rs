//! Webhooks about permissions.
//!
//! Vendor pages: "Webhooks overview", "Upcoming authorization expiration" (type 7), "Seller deauthorization" (type 6).

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{TikTokShop, place_id, sign};
use crate::{
    channels::{About, News, RawWebhook, Webhook, WebhookFault},
    domain::{EndSource, Ending},
};

const DEAUTHORIZED: i64 = 6;
const ENDS_SOON: i64 = 7;
/// No authorization reaches further: a year, and some days.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 400);

#[derive(Deserialize)]
struct Wire {
    r#type: i64,
    tts_notification_id: String,
    #[serde(default)]
    shop_id: String,
    /// Unix seconds.
    timestamp: i64,
    #[serde(default)]
    data: Data,
}

#[derive(Deserialize, Default)]
struct Data {
    /// Unix seconds, as a text.
    expiration_time: Option<String>,
}

impl TikTokShop {
    pub(super) fn webhook(&self, request: &RawWebhook) -> Result<Webhook, WebhookFault> {
        let signature = request.header("authorization").ok_or(WebhookFault::Forged)?;
        let secret = self.client.app_secret.as_ref().ok_or(WebhookFault::Forged)?;
        if !sign::webhook_is_genuine(secret, &self.client.app_key, &request.body, signature) {
            return Err(WebhookFault::Forged);
        }
        let wire: Wire =
            serde_json::from_slice(&request.body).map_err(|error| WebhookFault::Unreadable(error.to_string()))?;
        let said_at =
            Timestamp::from_second(wire.timestamp).map_err(|error| WebhookFault::Unreadable(error.to_string()))?;
        let about = About::Place(place_id(&wire.shop_id));
        let news = match wire.r#type {
            DEAUTHORIZED => vec![News { about, ends: None }],
            ENDS_SOON => vec![News { about, ends: Some(end_of(&wire.data, said_at)?) }],
            _ => Vec::new(),
        };
        Ok(Webhook { id: wire.tts_notification_id, kind: wire.r#type.to_string(), said_at: Some(said_at), news })
    }
}

/// No call tells this end, so the webhook is believed: of an end that lies ahead, and no further than one authorization reaches.
fn end_of(data: &Data, said_at: Timestamp) -> Result<Ending, WebhookFault> {
    let text = data.expiration_time.as_deref().unwrap_or_default();
    let at = text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let at = at.ok_or_else(|| WebhookFault::Unreadable("expiration_time is not Unix seconds in a text".into()))?;
    if at < said_at || at > said_at + LONGEST {
        return Err(WebhookFault::Unreadable(format!("expiration_time {at} is not within 400 days of the message")));
    }
    Ok(Ending { at, source: EndSource::Told })
}

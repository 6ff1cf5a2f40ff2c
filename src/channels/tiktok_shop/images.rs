//! Images: fetched from the source's addresses, handed to the vendor, which names them.
//!
//! Vendor page: "Upload product image (202309)".

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    TikTokShop,
    client::{ApiCall, Body, Operation},
    create::images_of,
    token_of,
};
use crate::{
    channels::{Access, ChannelError},
    domain::Failure,
    http::{BudgetKey, Call, Method, Rate},
};

const UPLOAD: Operation = Operation::write("image upload");
/// How fast images are fetched from wherever they are: nobody's documented rate.
const FETCH: Rate = Rate::per_second(5, 5);
/// The most bytes of an image.
const LARGEST: usize = 10_000_000;

impl TikTokShop {
    /// The vendor's names of these images, in order; or why one of them cannot be had.
    pub(super) async fn take_images(
        &self,
        access: &Access,
        images: &[String],
    ) -> Result<Result<Vec<String>, String>, ChannelError> {
        let mut uris = Vec::new();
        for address in images_of(images) {
            let image = match self.fetch(address).await {
                Ok(image) => image,
                Err(why) => return Ok(Err(format!("image {address} {why}"))),
            };
            let call = ApiCall {
                operation: UPLOAD,
                method: Method::POST,
                path: "/product/202309/images/upload",
                query: Vec::new(),
                body: Some(form(&image)),
                shop: None,
                token: token_of(access)?,
            };
            let success = match self.client.api(call).await {
                Err(trouble) if trouble.error.failure == Failure::Rejected => {
                    return Ok(Err(format!("image {address} was refused: {}", trouble.error.text)));
                }
                other => other?,
            };
            let uri = success.data.get("uri").and_then(Value::as_str).filter(|uri| !uri.is_empty());
            let unnamed = || self.reading(UPLOAD).unexpected("the answer has no `uri`", success.request_id.clone());
            uris.push(uri.ok_or_else(unnamed)?.to_owned());
        }
        Ok(Ok(uris))
    }

    /// An image's bytes; or what is wrong with it, in words that go on after its address. Whatever ails its host is no matter
    /// of the marketplace, and stops nothing but this product.
    async fn fetch(&self, address: &str) -> Result<Bytes, String> {
        let url = address.parse().map_err(|_| "is no address".to_owned())?;
        let budget = BudgetKey {
            channel: super::NAME,
            app: String::new(),
            place: self.shop_id.clone(),
            operation: "image fetch",
        };
        let call = Call { method: Method::GET, url, headers: Vec::new(), body: None, budget, rate: FETCH };
        let answer = self.client.http.send(call).await.map_err(|error| format!("cannot be fetched: {error}"))?;
        match answer.status {
            200 => {}
            300..400 => return Err("leads elsewhere; give the address where it ends".to_owned()),
            status => return Err(format!("is answered with status {status}")),
        }
        if answer.body.is_empty() || answer.body.len() > LARGEST {
            return Err(format!("has {} bytes; the channel takes 1 to {LARGEST}", answer.body.len()));
        }
        kind(&answer.body).ok_or("is neither JPEG nor PNG nor WebP")?;
        Ok(answer.body)
    }
}

/// The media type and the ending of an image, by its first bytes.
fn kind(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some(("image/jpeg", "jpg")),
        [0x89, b'P', b'N', b'G', ..] => Some(("image/png", "png")),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(("image/webp", "webp")),
        _ => None,
    }
}

/// The form that hands an image over (RFC 7578). Its boundary is made of the image, so it does not stand in it.
fn form(image: &[u8]) -> Body {
    let (media_type, ending) = kind(image).unwrap_or(("application/octet-stream", "bin"));
    let boundary = format!("shopsyncd-{}", hex::encode(&Sha256::digest(image)[..16]));
    let mut bytes = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"use_case\"\r\n\r\nMAIN_IMAGE\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"data\"; filename=\"image.{ending}\"\r\n\
         content-type: {media_type}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend_from_slice(image);
    bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Body::Form { boundary, bytes: bytes.into() }
}

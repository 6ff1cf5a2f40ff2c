#![doc = include_str!("README.md")]

mod asia;
mod client;
mod export;
#[cfg(feature = "fakes")]
pub mod fake;
mod global;
mod items;
mod products;
pub mod sign;
#[cfg(all(test, feature = "fakes"))]
mod tests;
mod windows;
mod wire;
mod works;

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;
use url::Url;

use self::{asia::Asia, client::Client, global::Global};
use super::{
    Abilities, AuthorizationKind, Built, ChannelDef, ChannelError, Credentials, Key, Place, RawWebhook, ShopSettings,
    Tools,
    calls::declined,
    mapping::Mapping,
    reader::{Reader, text_of},
};
use crate::{
    domain::{Field, JobKind, wanted::Retire},
    secrets::Secret,
};

/// The channel's name in the settings.
pub const NAME: &str = "shopline";

const TITLE: &str = "SHOPLINE";
const ASIA_API_URL: &str = "https://open.shopline.io";
const ASIA_TOKEN_URL: &str = "https://developers.shoplineapp.com";
/// The app on Asia, where it is not the one of `client_id` and `client_secret`.
const ASIA_ID: &str = "asia_client_id";
const ASIA_SECRET: &str = "asia_client_secret";
/// The version of Global's Admin API that is called where the settings name none.
const VERSION: &str = "v20260601";
/// The language of Asia's texts where the settings name none.
const LOCALE: &str = "zh-hant";
const SECOND: SignedDuration = SignedDuration::from_secs(1);
const SCOPE: &str = "read_products,write_products,read_inventory,write_inventory,read_store_information";
const ASIA_SCOPE: &str = "products merchants";

/// SHOPLINE, both of its platforms.
pub static DEF: ChannelDef = ChannelDef {
    name: NAME,
    title: TITLE,
    page: include_str!("README.md"),
    app_secrets: &[Key {
        name: ASIA_SECRET,
        doc: "the secret of the app on SHOPLINE Asia, where asia_client_id names one. Example: { credential = \"shopline-asia-secret\" }",
        required: false,
    }],
    abilities: Abilities {
        authorization: AuthorizationKind::Consent,
        export: &[Field::Price, Field::Stock, Field::Title, Field::Description, Field::Images],
        remembered: &[Field::Images],
        create: true,
        retire: &[Retire::ZeroStock, Retire::Deactivate],
        periods: &[
            (JobKind::AuthorizationRefresh, SECOND, "1 hour"),
            (JobKind::ProductImport, SECOND, "1 hour"),
            (JobKind::ProductExport, SECOND, "15 minutes"),
        ],
        push_batch: 50,
        remembered_shared: true,
        remembered_batch: 50,
        changes_are_full: false,
    },
    // Ten hours on Global, half a year on Asia.
    token_life: None,
    refresh_token_end: crate::domain::EndSource::Computed,
    app_keys: &[
        Key {
            name: ASIA_ID,
            doc: "the client id of the app on SHOPLINE Asia, with asia_client_secret, where shops of both platforms are kept. Default: client_id. Example: \"635a5817fd851b000d2f594d\"",
            required: false,
        },
        Key {
            name: "version",
            doc: "the version of SHOPLINE Global's API. Default: \"v20260601\". Example: \"v20260901\"",
            required: false,
        },
        Key {
            name: "scope",
            doc: "the rights that owners are asked for on SHOPLINE Global, with commas. Default: those for products and stock. Example: \"read_products,write_products\"",
            required: false,
        },
        Key {
            name: "asia_scope",
            doc: "the rights that owners are asked for on SHOPLINE Asia, with spaces. Default: \"products merchants\". Example: \"products orders\"",
            required: false,
        },
    ],
    shop_keys: &[
        Key {
            name: "platform",
            doc: "which of the two SHOPLINEs the shop is on: \"global\" (its address ends in myshopline.com) or \"asia\" (shoplineapp.com). Example: \"global\"",
            required: true,
        },
        Key {
            name: "handle",
            doc: "the first part of the shop's address at SHOPLINE. Example: \"teststore\" for teststore.myshopline.com",
            required: true,
        },
        Key {
            name: "locale",
            doc: "the language of titles, descriptions and options on SHOPLINE Asia, as SHOPLINE writes it. Default: \"zh-hant\". Example: \"en\"",
            required: false,
        },
        Key {
            name: "mapping",
            doc: "how words of the product source become SHOPLINE's for new products: category, categories, brand, brands. Example: { category = \"Shirts\" }",
            required: false,
        },
    ],
    build,
    #[cfg(feature = "fakes")]
    rigs: &[("asia", fake::asia), ("global", fake::global)],
};

/// The two SHOPLINEs, which share nothing but the brand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Platform {
    Global,
    Asia,
}

impl Platform {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Asia => "asia",
        }
    }
}

/// One shop, whichever platform it is on.
struct Store {
    platform: Platform,
    handle: String,
    consent_url: Url,
    /// Where consent leads back to.
    callback: Url,
    scope: String,
    version: String,
    /// The location or warehouse that stock is written to, where one is chosen.
    warehouse: Option<String>,
    /// The language that Asia's texts are read and written in.
    locale: String,
    mapping: Mapping,
    client: Client,
}

impl Store {
    fn app(&self) -> String {
        format!("{} {}", self.platform.as_str(), self.client.app_key)
    }

    fn credentials(&self) -> Credentials {
        Credentials { client: self.app(), keys: self.client.keys }
    }

    fn place_id(&self, handle: &str) -> String {
        format!("{NAME} {} {handle}", self.platform.as_str())
    }

    fn place(&self, handle: &str, name: Option<&str>) -> Place {
        Place {
            id: self.place_id(handle),
            name: name.map_or_else(|| handle.to_owned(), |name| format!("{name} ({handle})")),
            data: serde_json::json!({"handle": handle}),
        }
    }
}

/// Whether something that a browser brings has a part that Global alone sends.
fn is_globals(query: &[(String, String)]) -> bool {
    query.iter().any(|(name, _)| ["appkey", "handle", "sign", "customField"].contains(&name.as_str()))
}

/// The refusal in a callback, where it is one. The vendor does not say what Global sends then; both say `error` here.
fn refusal_in(query: &[(String, String)]) -> Option<ChannelError> {
    let (_, word) = query.iter().find(|(name, _)| name == "error")?;
    Some(declined(TITLE, word, "open the link again and agree; it takes a staff member who may install apps"))
}

/// The id of a webhook that names none.
fn digest(request: &RawWebhook) -> String {
    use sha2::{Digest as _, Sha256};
    hex::encode(Sha256::digest(&request.body))
}

fn build(settings: &ShopSettings, tools: &Tools) -> Built {
    let handle = handle(settings);
    let platform = platform(settings);
    let named = handle.as_deref().unwrap_or("handle");
    let settings = with_handle(settings, named);
    let mut reader = Reader::new(&settings, "the app's page at SHOPLINE");
    if let Err(cause) = &handle {
        let remedy =
            "write the first part of the shop's address, for example \"teststore\" for teststore.myshopline.com";
        reader.fault("handle", cause, remedy);
    }
    if let Err(cause) = &platform {
        let remedy =
            "write \"global\" if the shop's address at SHOPLINE ends in myshopline.com, \"asia\" if in shoplineapp.com";
        reader.fault("platform", cause, remedy);
    }
    let store = store(&mut reader, platform.unwrap_or(Platform::Global), named, tools);
    let store = reader.finish(store)?;
    Ok(match store.platform {
        Platform::Global => Arc::new(Global(store)),
        Platform::Asia => Arc::new(Asia(store)),
    })
}

fn store(reader: &mut Reader<'_>, platform: Platform, handle: &str, tools: &Tools) -> Store {
    let global = format!("https://{handle}.myshopline.com");
    let [api, token, scope, scope_key] = match platform {
        Platform::Global => [&global, &global, SCOPE, "scope"],
        Platform::Asia => [ASIA_API_URL, ASIA_TOKEN_URL, ASIA_SCOPE, "asia_scope"],
    };
    let app = app(reader, platform);
    Store {
        platform,
        handle: handle.to_owned(),
        consent_url: reader.url("consent_url", token),
        callback: reader.settings.callback.clone(),
        scope: text(reader, scope_key, scope),
        version: version(reader),
        warehouse: reader.settings.warehouse.clone(),
        locale: locale(reader),
        mapping: mapping(reader),
        client: Client {
            http: tools.http.clone(),
            clock: tools.clock.clone(),
            platform,
            handle: handle.to_owned(),
            app_key: reader.app_text(app.keys[0]),
            app_secret: app.secret,
            keys: app.keys,
            api_url: reader.url("api_url", api),
            token_url: reader.url("token_url", token),
        },
    }
}

/// The keys under which a platform's app stands in the settings.
struct App {
    keys: [&'static str; 2],
    secret: Option<Secret>,
}

/// Global's app, or Asia's. Where only one platform is used, `client_id` and `client_secret` are its app's; an app of Asia's own
/// has both of its keys: the id of one app never goes with the secret of the other.
fn app(reader: &mut Reader<'_>, platform: Platform) -> App {
    let (id, secret) = (ASIA_ID, ASIA_SECRET);
    let written = [reader.settings.channel.contains_key(id), reader.settings.secrets.contains_key(secret)];
    let remedy = "copy it from the app's page at SHOPLINE Asia: the two platforms have different apps";
    match written {
        [true, false] => {
            reader.fault(&format!("channel.{secret}"), format!("`{id}` is set without `{secret}`"), remedy);
        }
        [false, true] => reader.fault(&format!("channel.{id}"), format!("`{secret}` is set without `{id}`"), remedy),
        _ => {}
    }
    if platform == Platform::Asia && written.contains(&true) {
        let open = reader.settings.secrets.get(secret).cloned().flatten();
        return App { keys: [id, secret], secret: open };
    }
    App { keys: ["client_id", "client_secret"], secret: reader.settings.client_secret.clone() }
}

/// The handle in lower case, as host names are: a part of one.
fn handle(settings: &ShopSettings) -> Result<String, String> {
    let value = settings.own.get("handle").ok_or("`handle` is missing")?;
    let text = value.as_str().ok_or_else(|| format!("`handle` is {value}, not a text"))?;
    let handle = text.trim().to_ascii_lowercase();
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let sound = (1..=63).contains(&handle.len()) && handle.bytes().all(known);
    if !sound || handle.starts_with('-') || handle.ends_with('-') {
        return Err(format!("`handle` is {value}, which is no handle: letters, digits and `-` only"));
    }
    Ok(handle)
}

fn platform(settings: &ShopSettings) -> Result<Platform, String> {
    let value = settings.own.get("platform").ok_or("`platform` is missing")?;
    let known = [Platform::Global, Platform::Asia];
    let found = known.into_iter().find(|platform| value.as_str().is_some_and(|text| text.trim() == platform.as_str()));
    found.ok_or_else(|| format!("`platform` is {value}, which is no platform of SHOPLINE"))
}

/// The settings with the handle put into the addresses where they say `{handle}`: Global has a host per shop, so whoever
/// stands between needs a path per shop.
fn with_handle(settings: &ShopSettings, handle: &str) -> ShopSettings {
    let mut settings = settings.clone();
    for name in ["api_url", "token_url", "consent_url"] {
        if let Some(Value::String(text)) = settings.channel.get_mut(name) {
            *text = text.replace("{handle}", handle);
        }
    }
    settings
}

fn text(reader: &mut Reader<'_>, name: &str, default: &str) -> String {
    if !reader.settings.channel.contains_key(name) {
        return default.to_owned();
    }
    let text = text_of(&reader.settings.channel, name);
    if text.is_none() {
        reader.fault(
            &format!("channel.{name}"),
            format!("`{name}` is not a text"),
            format!("use one like \"{default}\""),
        );
    }
    text.unwrap_or_default()
}

fn version(reader: &mut Reader<'_>) -> String {
    let version = text(reader, "version", VERSION);
    let digits = version.strip_prefix('v').unwrap_or_default();
    if !version.is_empty() && (digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit())) {
        let cause = format!("`version` is \"{version}\", which is no version of SHOPLINE's API");
        reader.fault("channel.version", cause, format!("use one like \"{VERSION}\""));
    }
    version
}

fn locale(reader: &mut Reader<'_>) -> String {
    let Some(value) = reader.settings.own.get("locale") else { return LOCALE.to_owned() };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let sound = |text: &&str| (2..=12).contains(&text.len()) && text.bytes().all(known);
    let text = value.as_str().map(str::trim).filter(sound).map(str::to_ascii_lowercase);
    if text.is_none() {
        reader.fault(
            "locale",
            format!("`locale` is {value}, which is no language"),
            "use one like \"zh-hant\" or \"en\"",
        );
    }
    text.unwrap_or_default()
}

/// Both platforms have words for category and brand, and nothing that attributes could go to.
fn mapping(reader: &mut Reader<'_>) -> Mapping {
    if reader.settings.own.get("mapping").is_some_and(|mapping| mapping.get("attributes").is_some()) {
        let cause = "SHOPLINE has no attributes beside the options of a product";
        reader.fault("mapping.attributes", cause, "leave it out");
    }
    Mapping::read(reader, &[])
}

/// What must not be told of a call.
fn secrets<'a>(all: &[Option<&'a Secret>]) -> Vec<&'a str> {
    all.iter().flatten().map(|secret| secret.expose()).collect()
}

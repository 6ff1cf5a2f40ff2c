//! A pretend browser: an owner who opens the link, agrees on the consent page, and is led back.

use url::Url;

use crate::{
    channels::RawWebhook,
    clock::Clock,
    http::{Answer, BudgetKey, Call, Http, Method, Rate},
};

/// Opens `/authorize/SHOP` on the page and, signed in as `account`, agrees to whatever the marketplace asks.
pub(super) async fn consent(page: &str, shop: &str, account: &str) -> Result<(), String> {
    let http = Http::new(Clock::system());
    let begun = get(&http, &format!("{page}/authorize/{shop}"), None).await?;
    let cookie = begun.header("set-cookie").and_then(|cookie| cookie.split(';').next());
    let consent_page = page_of(&led_to(&begun)?)?;
    let html = get(&http, consent_page.as_str(), None).await?;
    let (action, fields) =
        form_of(&String::from_utf8_lossy(&html.body), account).ok_or("the consent page has no form for the seller")?;
    let mut agree = consent_page.join(&action).map_err(|error| error.to_string())?;
    agree.query_pairs_mut().clear().extend_pairs(fields).append_pair("decision", "authorize");
    let callback = led_to(&get(&http, agree.as_str(), None).await?)?;
    match get(&http, &callback, cookie).await?.status {
        200 => Ok(()),
        status => Err(format!("the callback ended in {status}")),
    }
}

/// Sends a webhook as a marketplace does.
pub(super) async fn send(to: &Url, webhook: RawWebhook) -> Result<(), String> {
    // The marketplace's own client, which is none of ours. Ours brings the cryptography that it needs.
    drop(Http::new(Clock::system()));
    let mut request = reqwest::Client::new().post(to.clone()).body(webhook.body);
    for (name, value) in webhook.headers {
        request = request.header(name, value);
    }
    match request.send().await.map_err(|error| error.to_string())?.status().as_u16() {
        200 => Ok(()),
        status => Err(format!("it was answered with {status}")),
    }
}

/// What a browser shows at the end of a link: scripts that carry what stands behind a `#` into the query included.
fn page_of(link: &str) -> Result<Url, String> {
    let mut url = Url::parse(link).map_err(|error| error.to_string())?;
    let Some((_, query)) = url.fragment().and_then(|fragment| fragment.split_once('?')) else { return Ok(url) };
    let query = query.to_owned();
    url.set_fragment(None);
    let mut url = url.join("consent").map_err(|error| error.to_string())?;
    url.set_query(Some(&query));
    Ok(url)
}

async fn get(http: &Http, url: &str, cookie: Option<&str>) -> Result<Answer, String> {
    let call = Call {
        method: Method::GET,
        url: Url::parse(url).map_err(|error| error.to_string())?,
        headers: cookie.map(|cookie| ("cookie", cookie.to_owned())).into_iter().collect(),
        body: None,
        budget: BudgetKey { channel: "demo", app: String::new(), place: String::new(), operation: "browse" },
        rate: Rate::per_second(10, 10),
    };
    http.send(call).await.map_err(|error| error.to_string())
}

fn led_to(answer: &Answer) -> Result<String, String> {
    answer.header("location").map(str::to_owned).ok_or_else(|| format!("led nowhere ({})", answer.status))
}

/// Where the form leads in which this account is signed in, and its hidden fields.
fn form_of(html: &str, account: &str) -> Option<(String, Vec<(String, String)>)> {
    let form = html.split("<form").find(|form| form.contains(&format!("name=\"account\" value=\"{account}\"")))?;
    let attribute = |input: &str, name: &str| {
        let (_, rest) = input.split_once(&format!("{name}=\""))?;
        Some(rest.split('"').next()?.replace("&quot;", "\"").replace("&lt;", "<").replace("&amp;", "&"))
    };
    let inputs = form.split("<input").skip(1);
    let fields = inputs.filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?))).collect();
    Some((attribute(form, "action")?, fields))
}

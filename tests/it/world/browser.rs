//! A person's browser on the daemon's page, and the links of the mails that bring people there.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use bytes::Bytes;
use mail_parser::MessageParser;
use shopsyncd::{
    channels::RawWebhook,
    clock::Clock,
    http::{Answer, BudgetKey, Call, Http, Method, Rate},
};
use url::Url;

use super::World;

impl World {
    /// The main file's page is one for others, with a password.
    pub(crate) fn write_password(&self, password: &str) {
        // As cheap as a hash can be.
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let hash = argon2.hash_password(password.as_bytes()).unwrap();
        let main = fs::read_to_string(self.folder.path().join("shopsyncd.toml")).unwrap();
        let (before, after) = main.split_once("[web]\n").unwrap();
        let after = &after[after.find("listen").unwrap()..];
        let page = format!("[web]\npublic_url = \"https://shops.example.com\"\npassword_hash = \"{hash}\"\n");
        self.write("shopsyncd.toml", &format!("{before}{page}{after}"));
    }

    fn page(&self, path: &str) -> Url {
        format!("http://{}{path}", self.daemon().page.unwrap()).parse().unwrap()
    }

    /// Opens a page.
    pub(crate) async fn open(&self, path: &str, cookie: Option<&str>) -> Answer {
        get(&self.page(path), cookie.map(str::to_owned)).await
    }

    /// Presses a button there.
    pub(crate) async fn send_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let url = self.page(path);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = vec![
            ("origin", url.origin().ascii_serialization()),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ];
        browse(Method::POST, &url, headers, Some(Bytes::from(body))).await
    }

    /// A channel posts a webhook to the page, wherever it believes that to be: status and body of the answer.
    pub(crate) async fn post(&self, webhook: &RawWebhook) -> (u16, String) {
        let query = webhook.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut request = reqwest::Client::new().post(self.page(&format!("{}{query}", webhook.url.path())));
        for (name, value) in &webhook.headers {
            request = request.header(name, value);
        }
        let answer = request.body(webhook.body.clone()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Path and query of the link in the newest mail to an address.
    pub(crate) fn link_mailed_to(&self, address: &str) -> String {
        let folder = fs::read_dir(self.folder.path().join("state/mail")).unwrap();
        let mails = folder.map(|file| fs::read(file.unwrap().path()).unwrap());
        let to = |mail: &Vec<u8>| {
            let mail = MessageParser::default().parse(mail).unwrap();
            let to = mail.to().unwrap().first().unwrap().address().unwrap() == address;
            to.then(|| (mail.date().unwrap().to_timestamp(), mail.body_text(0).unwrap().into_owned()))
        };
        let (_, text) = mails.filter_map(|mail| to(&mail)).max().expect("a mail to the address");
        let link = text.split_whitespace().find(|word| word.contains("/authorize/")).expect("a link");
        let link: Url = link.parse().unwrap();
        format!("{}?{}", link.path(), link.query().unwrap())
    }
}

/// A browser that follows nothing by itself.
pub(crate) async fn get(url: &Url, cookie: Option<String>) -> Answer {
    browse(Method::GET, url, cookie.map(|cookie| ("cookie", cookie)).into_iter().collect(), None).await
}

async fn browse(method: Method, url: &Url, headers: Vec<(&'static str, String)>, body: Option<Bytes>) -> Answer {
    let call = Call {
        method,
        url: url.clone(),
        headers,
        body,
        budget: BudgetKey { channel: "browser", app: String::new(), place: String::new(), operation: "browse" },
        rate: Rate::per_second(100, 100),
    };
    Http::new(Clock::system()).send(call).await.unwrap()
}

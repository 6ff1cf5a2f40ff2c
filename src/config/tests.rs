//! The settings from outside: files in a folder, findings as people read them.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::{
    ChannelFacts, Config, Known, OwnKey, Severity,
    check::{Checked, check},
    flat::{Flat, flat_of},
    load::{Env, load},
};
use crate::domain::{Field, JobKind, Period, wanted::Retire};

fn flat(config: &Config) -> Flat {
    flat_of(config, |_| true)
}

/// A folder with settings, and an environment.
pub(super) struct Desk {
    pub(super) folder: TempDir,
    pub(super) env: Env,
}

impl Desk {
    /// Lays the main file down.
    pub(super) fn new(main: &str) -> Self {
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        let desk = Self { folder: TempDir::new().unwrap(), env: Env { vars: BTreeMap::new(), serving: true, now } };
        desk.with("shopsyncd.toml", main)
    }

    /// Lays another file down.
    pub(super) fn with(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Lays a file down that only its owner reads.
    fn with_secret(self, name: &str, text: &str) -> Self {
        let desk = self.with(name, text);
        fs::set_permissions(desk.folder.path().join(name), fs::Permissions::from_mode(0o640)).unwrap();
        desk
    }

    /// Sets a variable.
    pub(super) fn var(mut self, name: &str, value: &str) -> Self {
        self.env.vars.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(super) fn main(&self) -> PathBuf {
        self.folder.path().join("shopsyncd.toml")
    }

    pub(super) fn check(&self) -> Checked {
        check(&load(Some(&self.main()), &self.env, &Known::default()), &facts(), &self.env)
    }

    /// The findings as lines, errors without a mark.
    fn told(&self) -> String {
        let mark = |severity| match severity {
            Severity::Error => "",
            Severity::Warning => "(warning) ",
            Severity::Note => "(note) ",
        };
        let lines: Vec<String> =
            self.check().findings.iter().map(|finding| format!("{}{finding}", mark(finding.severity))).collect();
        lines.join("\n").replace(&self.folder.path().display().to_string(), "FOLDER")
    }

    /// The settings, which must be sound.
    pub(super) fn sound(&self) -> Config {
        let checked = self.check();
        let errors: Vec<_> = checked.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        checked.config
    }
}

fn key(name: &'static str, required: bool) -> OwnKey {
    OwnKey { name, required }
}

/// A marketplace and a file, as their definitions could say.
pub(super) fn facts() -> Vec<ChannelFacts> {
    let (minute, hour) = (SignedDuration::from_mins(1), SignedDuration::from_hours(1));
    vec![
        ChannelFacts {
            name: "file",
            needs_authorization: false,
            export_fields: vec![],
            can_create: false,
            retire: vec![],
            periods: vec![(JobKind::ProductImport, SignedDuration::from_secs(10), "1 minute")],
            token_life: None,
            app_keys: vec![],
            app_secrets: vec![],
            shop_keys: vec![key("path", true), key("format", false), key("columns", false), key("currency", false)],
        },
        ChannelFacts {
            name: "market",
            needs_authorization: true,
            export_fields: vec![Field::Price, Field::Stock],
            can_create: false,
            retire: vec![Retire::ZeroStock],
            periods: vec![
                (JobKind::AuthorizationRefresh, minute, "30 minutes"),
                (JobKind::ProductImport, minute * 5, "1 hour"),
                (JobKind::ProductExport, minute, "15 minutes"),
            ],
            token_life: Some(hour * 4),
            app_keys: vec![key("service_id", true)],
            app_secrets: vec![key("second_secret", false)],
            shop_keys: vec![key("region", false)],
        },
    ]
}

const MARKET: &str = r#"
[channels.market]
client_id = "app"
client_secret = { env = "MARKET_SECRET" }
service_id = "7"
"#;

/// Sound settings: a source, a shop, mail into a folder.
pub(super) fn sound() -> Desk {
    let main = format!(
        r#"state_dir = "/srv/state"
product_source = "erp"
[mail]
transport = "folder"
[reminders]
to = ["owner@example.com"]
{MARKET}
[shops.erp]
channel = "file"
path = "/srv/products.csv"
[shops.tw-01]
channel = "market"
"#
    );
    Desk::new(&main).var("MARKET_SECRET", "s3cret")
}

#[test]
fn sound_settings_have_no_findings_and_everything_is_resolved() {
    let desk = sound();
    assert_eq!(desk.told(), "");
    let shown: Vec<String> = flat(&desk.sound())
        .into_iter()
        .filter(|(key, _)| key.starts_with("shops") || key.starts_with("channels"))
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    channels.market.client_id = app
    channels.market.client_secret = •••
    channels.market.service_id = 7
    shops.erp.channel = file
    shops.erp.jobs.full_import = 1 day
    shops.erp.jobs.product_import = 1 minute
    shops.erp.match_barcode = false
    shops.erp.name = erp
    shops.erp.path = /srv/products.csv
    shops.tw-01.channel = market
    shops.tw-01.export.create = false
    shops.tw-01.export.fields = price, stock
    shops.tw-01.export.guard.price = 50%
    shops.tw-01.export.guard.retire = 20%
    shops.tw-01.export.price.factor = 1
    shops.tw-01.export.retire = keep
    shops.tw-01.export.stock.reserve = 0
    shops.tw-01.jobs.authorization_refresh = 30 minutes
    shops.tw-01.jobs.full_import = 1 day
    shops.tw-01.jobs.product_export = 15 minutes
    shops.tw-01.jobs.product_import = 1 hour
    shops.tw-01.match_barcode = false
    shops.tw-01.name = tw-01
    shops.tw-01.remind = owner@example.com (en)
    "#);
}

#[test]
fn every_fault_of_every_file_is_found_at_once_in_the_order_of_lines() {
    let desk = Desk::new(
        r#"timezone = "Europe/Berlim"
product_source = "epr"
keep_histroy = "90 days"
state_dir = 7

[web]
listen = "localhost"
internal = "127.0.0.1:8421"
public_url = "ftp://example.com"

[log]
format = "jason"
level = "inof"

[mail]
transport = "smpt"
from = "nobody"
operator = "ops@example.com"
language = "fr"

[mail.smtp]
host = "relay.example.com"
port = 0
tls = "None"
username = "shops"

[reminders]
start = "36 hours"
every = "2 days"
extra = ["soon", 3]
at = "25:00"
to = ["owner", { addres = "a@example.com" }, { address = "b@example.com", language = "de" }]

[channels.marked]
client_id = "x"

[channels.market]
client_id = 7
api_url = "http://example.com"
token_url = "http://127.0.0.1:9/x"
client_secret = "in the open"
client_secret_ends = 2027-03-01T00:00:00
[channels.market.jobs]
product_import = "1 second"
product_exprot = "None"
"#,
    )
    .with(
        "shops.d/a.toml",
        r#"
[shops.erp]
channel = "file"
[shops.erp.jobs]
authorization_refresh = "None"

[shops."Bad Id"]
channel = "market"

[shops.nowhere]
name = "no channel"

[shops.mistyped]
chanel = "market"
"#,
    )
    .with(
        "shops.d/b.toml",
        r#"timezone = "UTC"
[shops.tw]
channel = "market"
regoin = "TW"
jobs = { product_import = 60, product_export = { cron = "every day" }, authorization_refresh = "now and then" }
[shops.tw.export]
fields = ["price", "stok", "title"]
create = true
retire = "deactivate"
stock = { reserve = -1, max = "many" }
price = { factor = 1.1, round = "x", convert = { EURO = "1", EUR = "0" } }
guard = { retire = "120%", price = 0.5 }

[shops.erp]
channel = "file"
path = "x"
"#,
    );
    insta::assert_snapshot!(desk.told(), @r#"
    shopsyncd.toml:1: timezone: there is no time zone `Europe/Berlim`; did you mean `Europe/Berlin`?
    shopsyncd.toml:2: product_source: there is no shop `epr`; did you mean `erp`?
    shopsyncd.toml:3: keep_histroy: unknown key; did you mean `keep_history`?
    shopsyncd.toml:4: state_dir: expected text in quotes, found a whole number; write text in quotes
    shopsyncd.toml:7: web.listen: `localhost` is not an IP address with a port; write an address with a port, for example "127.0.0.1:8420", or "None"
    shopsyncd.toml:9: web.public_url: `ftp://example.com` is not a web address; write an address, for example "https://shops.example.com"
    shopsyncd.toml:12: log.format: `jason` is not one of auto, journal, pretty, json; did you mean `json`?
    shopsyncd.toml:13: log.level: `inof` is not a level; did you mean `info`?
    shopsyncd.toml:16: mail.transport: `smpt` is not one of smtp, folder, None; did you mean `smtp`?
    shopsyncd.toml:17: mail.from: `nobody` is not a sender; write a sender, for example "shopsyncd <shops@example.com>"
    shopsyncd.toml:18: mail.operator: expected a list of mail addresses, found text; write a list of mail addresses, for example ["ops@example.com"]
    shopsyncd.toml:19: mail.language: `fr` is not one of en, de; use `en` or `de`
    shopsyncd.toml:23: mail.smtp.port: `0` is out of range; use a port from 1 to 65535
    shopsyncd.toml:24: mail.smtp.tls: mail without encryption is refused but for a relay on this machine; use `starttls` or `implicit`
    shopsyncd.toml:25: mail.smtp.username: the user name has no password; set `mail.smtp.password`, or leave out `username` for no AUTH
    shopsyncd.toml:28: reminders.start: `36 hours` has hours in it; spans of the calendar are whole days
    (warning) shopsyncd.toml:29: reminders.every: ordinary steps are never less than 6 days apart; use `extra` for steps close to the end
    shopsyncd.toml:30: reminders.extra.0: `soon` is not a span of the calendar; write a span of the calendar, for example "1 month"
    shopsyncd.toml:30: reminders.extra.1: expected a span of the calendar, found a whole number; write a span of the calendar, for example "1 month"
    shopsyncd.toml:31: reminders.at: `25:00` is not a time of day; write a time of day, for example "08:00"
    shopsyncd.toml:32: reminders.to.0: `owner` is not a mail address; write a mail address, for example "ops@example.com"
    shopsyncd.toml:32: reminders.to.1: the recipient has no address; add `address = "…"`
    shopsyncd.toml:32: reminders.to.1.addres: unknown key; did you mean `address`?
    shopsyncd.toml:34: channels.marked: there is no channel `marked`; did you mean `market`?
    shopsyncd.toml:37: channels.market.service_id: the key is missing, and the channel's shops need it; set it; `shopsyncd channels show market` says how
    shopsyncd.toml:38: channels.market.client_id: expected text in quotes, found a whole number; write text in quotes
    shopsyncd.toml:39: channels.market.api_url: `http://example.com` is plain http, which is refused but for this machine; write an address that begins with https://
    (warning) shopsyncd.toml:41: channels.market.client_secret: the secret stands in the file for everybody to read; write `client_secret = { credential = "client-secret" }`, or `{ file = "…" }`
    shopsyncd.toml:42: channels.market.client_secret_ends: `2027-03-01T00:00:00` is not a date; write a date, for example "2027-03-01"
    shopsyncd.toml:44: channels.market.jobs.product_import: the period is shorter than channel `market` allows; write "5 minutes" or more, or "None"
    shopsyncd.toml:45: channels.market.jobs.product_exprot: unknown key; did you mean `product_export`?
    shops.d/a.toml:2: shops.erp.path: the key is missing; set it; `shopsyncd channels show file` says how
    shops.d/a.toml:5: shops.erp.jobs.authorization_refresh: channel `file` has no job `authorization_refresh`; leave it out
    shops.d/a.toml:7: shops."Bad Id": `Bad Id` is not a shop id; use lower-case letters, digits, `-` and `_`, at most 64; `name` is free
    shops.d/a.toml:10: shops.nowhere.channel: the shop has no channel; set `channel` to `file` or `market`
    shops.d/a.toml:14: shops.mistyped.chanel: unknown key; did you mean `channel`?
    shops.d/b.toml:1: timezone: files in shops.d hold `[shops.…]` only; move it to the main file
    shops.d/b.toml:4: shops.tw.regoin: unknown key; did you mean `region`?
    shops.d/b.toml:5: shops.tw.jobs.authorization_refresh: `now and then` is not a period; write "None", an exact duration such as "90 seconds", "15m", "6h", "1 day" or "1 week", or { cron = "0 3 * * *" }
    shops.d/b.toml:5: shops.tw.jobs.product_export.cron: cron `every day` has 2 fields instead of five; write minute, hour, day of month, month and weekday, for example "0 3 * * *" for every day at 03:00
    shops.d/b.toml:5: shops.tw.jobs.product_import: expected a period, found a whole number; write a period, for example "15 minutes", "None" or { cron = "0 3 * * *" }
    shops.d/b.toml:7: shops.tw.export.fields.1: `stok` is not one of price, stock, title, description, images, attributes; did you mean `stock`?
    shops.d/b.toml:7: shops.tw.export.fields.2: channel `market` cannot export `title`; use `price` or `stock`
    shops.d/b.toml:8: shops.tw.export.create: channel `market` cannot list new SKUs; write `false`
    shops.d/b.toml:9: shops.tw.export.retire: channel `market` cannot do that to a dropped SKU; use `keep` or `zero_stock`
    shops.d/b.toml:10: shops.tw.export.stock.max: expected a whole number of pieces, 0 or more, found text; write a whole number of pieces, 0 or more
    shops.d/b.toml:10: shops.tw.export.stock.reserve: `-1` is out of range; use a whole number of pieces, 0 or more
    shops.d/b.toml:11: shops.tw.export.price.convert.EUR: `0` is not above zero; write an exact number, for example "0.86"
    shops.d/b.toml:11: shops.tw.export.price.convert.EURO: `EURO` is not a currency; use three letters of ISO 4217, for example EUR
    shops.d/b.toml:11: shops.tw.export.price.factor: expected an exact number, found a number with a point; write an exact number, for example "1.10"
    shops.d/b.toml:11: shops.tw.export.price.round: `x` is not a number; write the ending of a price, for example "0.99"
    shops.d/b.toml:12: shops.tw.export.guard.price: expected a percentage, found a number with a point; write a percentage, for example "20%"
    shops.d/b.toml:12: shops.tw.export.guard.retire: `120%` is not between 0% and 100%; write a percentage, for example "20%"
    shops.d/b.toml:14: shops.erp: the shop also stands in shops.d/a.toml:2; keep it in one of the two files
    "#);
}

#[test]
fn broken_toml_tells_line_and_column_and_hides_no_other_file() {
    let desk = Desk::new("product_source = \"erp\"\n[web]\nlisten = 127.0.0.1\n")
        .with("shops.d/a.toml", "[shops.x]\nchannel = \"market\"\n[shops.x.jobs]\nproduct_import = \"5 parsecs\"\n")
        .with("shops.d/b.toml", "[shops.y\n");
    insta::assert_snapshot!(desk.told(), @r#"
    shopsyncd.toml:3: not TOML at column 15: invalid float, expected nothing; correct the line (texts stand in quotes); nothing else in this file was looked at
    shops.d/a.toml:4: shops.x.jobs.product_import: `5 parsecs` is not a period; write "None", an exact duration such as "90 seconds", "15m", "6h", "1 day" or "1 week", or { cron = "0 3 * * *" }
    shops.d/b.toml:1: not TOML at column 9: unclosed table, expected `]`; correct the line (texts stand in quotes); nothing else in this file was looked at
    "#);
}

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    let desk = Desk::new("");
    fs::remove_file(desk.main()).unwrap();
    insta::assert_snapshot!(desk.told(), @r#"
    shopsyncd.toml: there is no file `FOLDER/shopsyncd.toml`; write it, or name another with `--config`
    "#);
}

#[test]
fn the_same_shop_in_two_files_is_refused_and_the_first_one_counts() {
    let desk = sound().with("shops.d/tw.toml", "[shops.tw-01]\nchannel = \"market\"\nname = \"second\"\n");
    insta::assert_snapshot!(desk.told(), @r#"
    shops.d/tw.toml:1: shops.tw-01: the shop also stands in shopsyncd.toml:16; keep it in one of the two files
    "#);
}

#[test]
fn later_layers_win_and_every_value_knows_where_it_stands() {
    let desk = sound()
        .with("shops.d/tw.toml", "[shops.tw-02]\nchannel = \"market\"\nname = \"Taipei\"\n")
        .var("SHOPSYNCD__TIMEZONE", "Asia/Taipei")
        .var("SHOPSYNCD__WEB__LISTEN", "127.0.0.1:9000")
        .var("SHOPSYNCD__CHANNELS__MARKET__CLIENT_ID", "123")
        .var("SHOPSYNCD__SHOPS__TW_01__JOBS__PRODUCT_IMPORT", "{ cron = \"0 3 * * *\" }")
        .var("SHOPSYNCD__REMINDERS__TO", "[\"other@example.com\"]")
        .var("SHOPSYNCD_CONFIG", "not ours");
    let config = desk.sound();
    assert_eq!(config.timezone.iana_name(), Some("Asia/Taipei"));
    assert_eq!(config.web.public_url.as_str(), "http://127.0.0.1:9000/");
    let shop = &config.shops[&"tw-01".parse().unwrap()];
    assert_eq!(shop.jobs[&JobKind::ProductImport].to_stored(), "cron 0 3 * * * Asia/Taipei");
    assert_eq!(shop.remind.first().unwrap().address, "other@example.com");
    assert_eq!(config.channels[&"market".into()].raw["client_id"], "123");
    let place = |key: &str| config.origin(key).map(|origin| format!("{}:{}", origin.file, origin.line));
    assert_eq!(place("timezone").as_deref(), Some("environment:0"));
    assert_eq!(place("shops.tw-02.name").as_deref(), Some("shops.d/tw.toml:3"));
    assert_eq!(place("mail.transport").as_deref(), Some("shopsyncd.toml:4"));
    assert_eq!(place("log.level"), None);
}

#[test]
fn a_fault_in_the_environment_names_the_variable() {
    let desk = sound()
        .var("SHOPSYNCD__WEB__LISTEN", "everywhere")
        .var("SHOPSYNCD__WBE__LISTEN", "127.0.0.1:1")
        .var("SHOPSYNCD____X", "1");
    insta::assert_snapshot!(desk.told(), @r#"
    environment: SHOPSYNCD__WBE__LISTEN: unknown key; did you mean `web`?
    environment: SHOPSYNCD__WEB__LISTEN: `everywhere` is not an IP address with a port; write an address with a port, for example "127.0.0.1:8420", or "None"
    environment: SHOPSYNCD____X: this names no key; write SHOPSYNCD__SECTION__KEY, with two underscores between the steps
    "#);
}

#[test]
fn secrets_are_read_from_where_they_stand() {
    let desk = Desk::new(
        "[web]\napi_token = { file = \"token\" }\npassword_hash = { credential = \"hash\" }\n[mail.smtp]\n\
         host = \"localhost\"\nusername = \"u\"\npassword = { env = \"RELAY\" }\n[mail]\nfrom = \"a@example.com\"\n",
    )
    .with_secret("token", "first\n")
    .with("credentials/hash", "$argon2id$v=19$x")
    .var("RELAY", "second");
    let folder = desk.folder.path().join("credentials").display().to_string();
    let desk = desk.var("CREDENTIALS_DIRECTORY", &folder);
    let checked = desk.check();
    assert_eq!(desk.told(), "");
    assert_eq!(checked.secret_files, [desk.folder.path().join("token")]);
    let web = &checked.config.web;
    assert_eq!(web.api_token.as_ref().unwrap().expose(), "first");
    assert_eq!(web.password_hash.as_ref().unwrap().expose(), "$argon2id$v=19$x");
    let super::Transport::Smtp(smtp) = &checked.config.mail.transport else { panic!("a relay is described") };
    assert_eq!(smtp.password.as_ref().unwrap().expose(), "second");
    assert!(!format!("{:?}", checked.config).contains("second"));
}

/// A certificate, self-signed and long over.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBeTCCAR+gAwIBAgIUHTcq/CSARJbK0Q0icUZNV24LWZ0wCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHVGVzdC1DQTAeFw0yNjExMjYxMjUzMzRaFw0yNjExMjcxMjUz
MzRaMBIxEDAOBgNVBAMMB1Rlc3QtQ0EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AATp4hNks0Bo4bU9pRoFOOevP8DdfrLK4jho9lOo+b9QggehKHzREFn1953vI4oi
KutKLDZWef7+S2YI5/A+bjLvo1MwUTAdBgNVHQ4EFgQUA2U3Jr9L2vuP1M+cIozU
s1Eb/7cwHwYDVR0jBBgwFoAUA2U3Jr9L2vuP1M+cIozUs1Eb/7cwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiA/GfHAv4VFOIiEoQJj+XULjWDBZyOB
lGc1vNCk8dWS8gIhALxLT+bjBafpSREd8NWRAGTBbDev1y21n/xw+RSsU6qx
-----END CERTIFICATE-----
";

#[test]
fn certificates_of_a_relays_signer_are_read_from_a_file_that_is_no_secret() {
    let text = "[mail]\nfrom = \"a@example.com\"\n[mail.smtp]\nhost = \"relay.example.com\"\nca_file = \"ca.pem\"\n";
    let desk = Desk::new(text).with("ca.pem", CERTIFICATE);
    assert_eq!(desk.told(), "", "everybody may read it");
    let checked = desk.check();
    let super::Transport::Smtp(smtp) = &checked.config.mail.transport else { panic!("a relay is described") };
    assert_eq!(smtp.ca.as_deref(), Some(CERTIFICATE));
    assert_eq!(checked.secret_files, [desk.folder.path().join("ca.pem")], "it is read again when it changes");
    let twice = Desk::new(text).with("ca.pem", &CERTIFICATE.repeat(2));
    assert_ne!(twice.sound().digest, checked.config.digest);

    for (pem, cause) in [
        (
            "none",
            "shopsyncd.toml:5: mail.smtp.ca_file: file `ca.pem`: it holds no certificate in PEM; name another file, or write it there",
        ),
        (
            &CERTIFICATE.replace("MII", "AAA"),
            "shopsyncd.toml:5: mail.smtp.ca_file: file `ca.pem`: it holds no certificate in PEM; name another file, or write it there",
        ),
    ] {
        assert_eq!(Desk::new(text).with("ca.pem", pem).told(), cause);
    }
    assert_eq!(
        Desk::new(text).told(),
        "shopsyncd.toml:5: mail.smtp.ca_file: file `ca.pem` cannot be read: No such file or directory (os error 2); correct the path"
    );
    let local = text.replace("relay.example.com", "localhost") + "tls = \"None\"\n";
    assert_eq!(
        Desk::new(&local).with("ca.pem", CERTIFICATE).told(),
        "(warning) shopsyncd.toml:5: mail.smtp.ca_file: without encryption nothing is signed; set `mail.smtp.tls`, or leave `ca_file` out"
    );
}

#[test]
fn recipients_may_have_names_and_umlauts_wherever_mail_allows_them() {
    let text = r#"
[mail]
transport = "folder"
[reminders]
to = ["Jürgen Müller <jürgen@bücher.example>", "\"Shops, all\" <all@example.com>", "all@example.com",
    { address = "Anna <anna@example.com>", language = "de" }]
"#;
    let shown = flat(&Desk::new(text).sound())["reminders.to"].to_string();
    assert_eq!(
        shown,
        "Jürgen Müller <jürgen@bücher.example> (en), Shops, all <all@example.com> (en), Anna <anna@example.com> (de)"
    );
    for wrong in
        ["Jürgen Müller", "a@example.com b@example.com", "A <a@example.com>, B <b@example.com>", "A <a@>", "<>"]
    {
        let told = Desk::new(&format!("[reminders]\nto = [{wrong:?}]\n")).told();
        assert!(told.contains(&format!("reminders.to.0: `{wrong}` is not a mail address")), "{wrong}: {told}");
    }
}

#[test]
fn secrets_that_cannot_be_read_are_errors_for_the_daemon_and_notes_for_who_only_looks() {
    let text = "seal_key = { credential = \"seal-key\" }\n[web]\napi_token = { env = \"NOT_SET\" }\n\
                password_hash = { file = \"nowhere\" }\n[mail.smtp]\npassword = { credential = \"a\", file = \"b\" }\n";
    let mut desk = Desk::new(text);
    insta::assert_snapshot!(desk.told(), @r#"
    shopsyncd.toml:1: seal_key: credential `seal-key` is not readable from here: systemd hands it to the service only; start the daemon by its systemd unit, or use `{ file = "…" }`
    shopsyncd.toml:3: web.api_token: variable `NOT_SET` is not set here; set it in the daemon's environment
    shopsyncd.toml:4: web.password_hash: file `nowhere` cannot be read: No such file or directory (os error 2); write the secret there, or correct the path
    shopsyncd.toml:5: mail.from: mail has no sender; set `mail.from`, for example "shopsyncd <shops@example.com>"
    shopsyncd.toml:5: mail.smtp.host: mail has no relay; set `mail.smtp.host`
    shopsyncd.toml:6: mail.smtp.password: the secret stands in two places; name one of `credential`, `file` and `env`
    (warning) shopsyncd.toml:6: mail.smtp.password: without a user name the password is not used; set `mail.smtp.username`
    "#);
    desk.env.vars.insert("INVOCATION_ID".to_owned(), "a unit without credentials".to_owned());
    let told = desk.told();
    let own = "the unit hands none of that name over; add `LoadCredential=seal-key:PATH` to the unit";
    assert!(told.contains(own), "{told}");
    desk.env.serving = false;
    insta::assert_snapshot!(desk.told(), @r#"
    (note) shopsyncd.toml:1: seal_key: credential `seal-key` is not readable from here: systemd hands it to the service only; start the daemon by its systemd unit, or use `{ file = "…" }`
    (note) shopsyncd.toml:3: web.api_token: variable `NOT_SET` is not set here; set it in the daemon's environment
    shopsyncd.toml:4: web.password_hash: file `nowhere` cannot be read: No such file or directory (os error 2); write the secret there, or correct the path
    shopsyncd.toml:5: mail.from: mail has no sender; set `mail.from`, for example "shopsyncd <shops@example.com>"
    shopsyncd.toml:5: mail.smtp.host: mail has no relay; set `mail.smtp.host`
    shopsyncd.toml:6: mail.smtp.password: the secret stands in two places; name one of `credential`, `file` and `env`
    (warning) shopsyncd.toml:6: mail.smtp.password: without a user name the password is not used; set `mail.smtp.username`
    "#);
}

#[test]
fn a_secret_of_a_later_layer_replaces_the_place_of_an_earlier_one() {
    let desk =
        sound().with_secret("elsewhere", "new").var("SHOPSYNCD__CHANNELS__MARKET__CLIENT_SECRET__FILE", "elsewhere");
    let config = desk.sound();
    assert_eq!(config.channels[&"market".into()].client_secret.as_ref().unwrap().expose(), "new");
    assert_eq!(desk.told(), "");
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(desk.folder.path().join("elsewhere"), open).unwrap();
    insta::assert_snapshot!(desk.told(), @r"
    (warning) shopsyncd.toml:10: channels.market.client_secret: file `elsewhere` is open to every user of this machine; `chmod o= FOLDER/elsewhere`
    ");
}

#[test]
fn a_secret_that_only_one_channel_has_is_kept_as_the_others_are() {
    let name = "SHOPSYNCD__CHANNELS__MARKET__SECOND_SECRET__FILE";
    let mut desk = sound().with_secret("second", "geheim").var(name, "second");
    let checked = desk.check();
    let settings = &checked.config.channels[&"market".into()];
    assert_eq!(settings.secrets["second_secret"].as_ref().unwrap().expose(), "geheim");
    assert!(!settings.raw.contains_key("second_secret"), "it is not among what is shown as it stands");
    let flat = flat(&checked.config);
    assert_eq!(flat["channels.market.second_secret"].to_string(), "•••");
    assert!(!format!("{flat:?} {:?}", checked.config).contains("geheim"));
    assert!(checked.secret_files.iter().any(|file| file.ends_with("second")), "it is read again when it changes");
    let digest = |secret: &str| sound().with_secret("second", secret).var(name, "second").sound().digest;
    assert_eq!(digest("geheim"), checked.config.digest);
    assert_ne!(digest("another"), checked.config.digest);
    assert_ne!(sound().sound().digest, checked.config.digest);

    desk = sound().var("SHOPSYNCD__CHANNELS__MARKET__SECOND_SECRET__ENV", "NOT_SET");
    desk.env.serving = false;
    assert!(desk.check().config.channels[&"market".into()].secrets["second_secret"].is_none(), "set, if not readable");
    insta::assert_snapshot!(desk.told(), @"(note) environment: SHOPSYNCD__CHANNELS__MARKET__SECOND_SECRET__ENV: variable `NOT_SET` is not set here; set it in the daemon's environment");
}

#[test]
fn a_client_secret_that_has_ended_is_a_warning_after_its_last_day() {
    let desk = sound().var("SHOPSYNCD__CHANNELS__MARKET__CLIENT_SECRET_ENDS", "2026-06-15");
    assert_eq!(desk.told(), "");
    insta::assert_snapshot!(desk.var("SHOPSYNCD__CHANNELS__MARKET__CLIENT_SECRET_ENDS", "2026-06-14").told(), @r"
    (warning) environment: SHOPSYNCD__CHANNELS__MARKET__CLIENT_SECRET_ENDS: the client secret has ended on 2026-06-14; make a new one in the channel's developer pages, and set `client_secret` and `client_secret_ends`
    ");
}

#[test]
fn a_table_that_stands_twice_is_one_fault() {
    let shop = "[shops.x]\nchannel = \"market\"\nname = \"one\"\n";
    let other = "[shops.y]\nname = \"a\"\nname = \"b\"\n";
    let desk = sound().with("shops.d/x.toml", &format!("{shop}{shop}{other}"));
    insta::assert_snapshot!(desk.told(), @r"
    shops.d/x.toml:4: not TOML at column 8: the table stands above already; correct the line (texts stand in quotes); nothing else in this file was looked at
    shops.d/x.toml:9: not TOML at column 1: `name` stands above already, in the same table; correct the line (texts stand in quotes); nothing else in this file was looked at
    ");
}

/// Sound settings with a table of changes, and what is said of each.
#[test]
fn rules_that_span_several_keys() {
    let shop = "[shops.tw-02]\nchannel = \"market\"\n";
    let table = [
        (
            "export to the source",
            "[shops.src]\nchannel = \"market\"\n[shops.src.jobs]\nproduct_export = \"1 hour\"\n",
            Some("src"),
        ),
        (
            "refresh off",
            "[shops.tw-02]\nchannel = \"market\"\n[shops.tw-02.jobs]\nauthorization_refresh = \"None\"\n",
            None,
        ),
        (
            "refresh slow",
            "[shops.tw-02]\nchannel = \"market\"\n[shops.tw-02.jobs]\nauthorization_refresh = \"6h\"\n",
            None,
        ),
        ("nobody reminded", &format!("{shop}remind = []\n"), None),
        ("no app", shop, None),
        ("no section", shop, None),
        (
            "cron below the minimum",
            &format!("{shop}[shops.tw-02.jobs]\nproduct_import = {{ cron = \"* * * * *\" }}\n"),
            None,
        ),
        ("postgres without key", "", None),
        ("mail off", "", None),
    ];
    let mut told = Vec::new();
    for (what, file, source) in table {
        let mut desk = sound().with("shops.d/x.toml", file);
        if let Some(source) = source {
            desk = desk.var("SHOPSYNCD__PRODUCT_SOURCE", source);
        }
        desk = match what {
            "no app" => desk.with(
                "shopsyncd.toml",
                "[channels.market]\n[reminders]\nto = [\"a@example.com\"]\n[mail]\ntransport = \"folder\"\n",
            ),
            "no section" => desk.with(
                "shopsyncd.toml",
                "[shops.tw-03]\nchannel = \"market\"\n[reminders]\nto = [\"a@example.com\"]\n[mail]\ntransport = \"folder\"\n",
            ),
            "postgres without key" => desk.var("SHOPSYNCD__DATABASE__URL", "postgres://me@localhost/shops"),
            "mail off" => desk.var("SHOPSYNCD__MAIL__TRANSPORT", "None"),
            _ => desk,
        };
        told.push(format!("{what}:\n{}", desk.told()));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    export to the source:
    shops.d/x.toml:4: shops.src.jobs.product_export: `src` is the product source, which is never exported to; leave it out, or write "None"
    refresh off:
    (note) shops.d/x.toml:4: shops.tw-02.jobs.authorization_refresh: no automatic call is made for shop `tw-02`, so its import and export are held; give it a period if that is not meant
    refresh slow:
    (note) shops.d/x.toml:4: shops.tw-02.jobs.authorization_refresh: 6 hours is longer than the life of an access token, 4 hours; nothing has to be done: tokens are also renewed when they are needed
    nobody reminded:
    (warning) shops.d/x.toml:1: shops.tw-02: nobody is reminded before the shop's authorization ends; set `remind` here, or `reminders.to`
    no app:
    shopsyncd.toml:1: channels.market.client_id: the key is missing, and the channel's shops need it; set it; `shopsyncd channels show market` says how
    shopsyncd.toml:1: channels.market.client_secret: the key is missing, and the channel's shops need it; set it; `shopsyncd channels show market` says how
    shopsyncd.toml:1: channels.market.service_id: the key is missing, and the channel's shops need it; set it; `shopsyncd channels show market` says how
    no section:
    shops.d/x.toml:2: shops.tw-02.channel: the section `[channels.market]` is missing; write it with `client_id`, `client_secret` and `service_id`; `shopsyncd channels show market` says how
    cron below the minimum:
    shops.d/x.toml:4: shops.tw-02.jobs.product_import: the period is shorter than channel `market` allows; write "5 minutes" or more, or "None"
    postgres without key:
    environment: SHOPSYNCD__DATABASE__URL: PostgreSQL is shared by instances, which need the same key; make one with `shopsyncd keys generate` and set `seal_key`
    mail off:
    (warning) environment: SHOPSYNCD__MAIL__TRANSPORT: mail is off, so nobody is reminded before an authorization ends; set `mail.transport`, and `reminders.to`
    "#);
}

#[test]
fn the_channels_default_export_period_is_silently_off_at_the_source() {
    let desk =
        sound().with("shops.d/x.toml", "[shops.src]\nchannel = \"market\"\n").var("SHOPSYNCD__PRODUCT_SOURCE", "src");
    let config = desk.sound();
    assert_eq!(config.shops[&"src".parse().unwrap()].jobs[&JobKind::ProductExport], Period::None);
    assert_ne!(config.shops[&"tw-01".parse().unwrap()].jobs[&JobKind::ProductExport], Period::None);
}

#[test]
fn the_digest_covers_what_instances_must_agree_in_and_nothing_else() {
    let one = sound().sound().digest;
    assert_eq!(one.len(), 64);
    let other = |name: &str, value: &str| sound().var(name, value).sound().digest;
    assert_eq!(one, other("SHOPSYNCD__WEB__LISTEN", "127.0.0.1:9999"));
    assert_eq!(one, other("SHOPSYNCD__STATE_DIR", "/elsewhere"));
    assert_eq!(one, other("SHOPSYNCD__LOG__LEVEL", "debug"));
    assert_ne!(one, other("MARKET_SECRET", "another"));
    assert_ne!(one, other("SHOPSYNCD__SHOPS__TW_01__JOBS__PRODUCT_IMPORT", "2 hours"));
}

#[test]
fn the_state_folder_is_systemds_else_where_it_usually_is() {
    let desk = Desk::new("").var("STATE_DIRECTORY", "/run/one:/run/two");
    assert_eq!(desk.sound().state_dir, PathBuf::from("/run/one"));
    let desk = desk.var("SHOPSYNCD__STATE_DIR", "/given");
    assert_eq!(desk.sound().state_dir, PathBuf::from("/given"));
    let desk = desk.var("SHOPSYNCD__STATE_DIR", "./beside");
    assert_eq!(desk.sound().state_dir, desk.folder.path().join("beside"));
}

const MAIN: &str = include_str!("../../config/shopsyncd.toml");
const SHOPS: &str = include_str!("../../config/shops.d/example.toml");

/// The example with its defaults spelt out: a line that begins with `#key = ` is one.
fn with_defaults_spelt_out() -> String {
    let is_default =
        |line: &str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
    MAIN.lines().map(|line| if is_default(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_file_says_the_defaults() {
    let spelt_out = Desk::new(&with_defaults_spelt_out()).sound();
    assert_eq!(flat(&spelt_out), flat(&Config::default()));
    assert!(spelt_out.origin("reminders.at").is_some(), "the defaults were not spelt out");
    let nothing = Desk::new("state_dir = \"/var/lib/shopsyncd\"").sound();
    assert_eq!(flat(&nothing), flat(&Config::default()));
}

#[test]
fn the_example_file_says_the_defaults_of_a_relay_too() {
    let text = with_defaults_spelt_out()
        .replace("transport = \"None\"", "transport = \"smtp\"")
        .replace("#  host =", "host =");
    let relay = Desk::new("[mail]\nfrom = \"a@example.com\"\n[mail.smtp]\nhost = \"smtp.example.com\"\n").sound();
    let said = |config: &Config, key: &str| flat(config).get(key).map(ToString::to_string);
    for key in ["mail.smtp.host", "mail.smtp.port", "mail.smtp.tls", "mail.transport"] {
        assert!(said(&relay, key).is_some(), "{key}");
        assert_eq!(said(&Desk::new(&text).check().config, key), said(&relay, key), "{key}");
    }
}

#[test]
fn every_known_key_is_in_the_example_files() {
    let mut section = String::new();
    let mut shown: Vec<(String, String)> = Vec::new();
    for line in MAIN.lines().chain(SHOPS.lines()) {
        let line = line.trim_start_matches('#').trim_start();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let mut steps: Vec<&str> = header.split('.').collect();
            if matches!(steps.first(), Some(&("channels" | "shops"))) && steps.len() > 1 {
                steps[1] = "*";
            }
            section = steps.join(".");
            shown.push((section.clone(), String::new()));
        } else if let Some((key, _)) = line.split_once(" = ") {
            shown.push((section.clone(), key.to_owned()));
        }
    }
    for (section, keys) in super::keys::SECTIONS {
        for key in *keys {
            let table = if section.is_empty() { (*key).to_owned() } else { format!("{section}.{key}") };
            let as_table = shown.iter().any(|(at, _)| *at == table || at.starts_with(&format!("{table}.")));
            let as_key = shown.contains(&((*section).to_owned(), (*key).to_owned()));
            assert!(as_table || as_key, "`{key}` of [{section}] is not in the example files");
        }
    }
}

#[test]
fn where_the_database_is_stays_unknown_where_the_main_file_may_say_it_in_a_part_that_cannot_be_read() {
    let whole = "state_dir = \"/srv\"\n[database]\nurl = \"postgres://db/shops\"\n[log]\nlevel = \"info\"\n";
    let state = "state_dir";
    for (from, to, unread) in [
        ("", "", &[][..]),
        // What is broken stands elsewhere, or nothing is said of it at all.
        ("\"info\"", "info", &[]),
        ("[database]\nurl = \"postgres://db/shops\"\n[log]\n", "[log]\n# [database]\n", &[]),
        (
            "[database]\nurl = \"postgres://db/shops\"\n[log]\nlevel = \"info\"",
            "# [database]\n[log]\nlevel = info",
            &[],
        ),
        // Its own line, its header, the header that ends it, a table that swallows it, a line too many.
        ("\"postgres://db/shops\"", "postgres://db/shops", &["database.url"]),
        ("\"postgres://db/shops\"", "\"postgres://db/shops", &["database.url"]),
        ("[database]", "[database", &["database.url"]),
        ("[log]", "[log", &["database.url"]),
        ("[database]", "x = \"\"\"\n[database]", &["database.url"]),
        ("[log]", "url = \"sqlite:x.db\"\n[log]", &["database.url"]),
        ("[database]\nurl =", "database.url", &["database.url"]),
        ("\"/srv\"", "/srv", &[state]),
        // A name that is not known.
        ("[database]", "[databse]", &["database.url"]),
        ("state_dir", "state_dri", &[state]),
        // Nothing can be read.
        ("\"info\"", "\"\u{0}\"", &[]),
    ] {
        let text = whole.replace(from, to);
        let checked = Desk::new(&text).check();
        assert_eq!(checked.config.unread.iter().collect::<Vec<_>>(), unread, "{text}");
        if !unread.contains(&"database.url") && text.contains("\n[database]") {
            assert_eq!(checked.config.database_url.expose(), "postgres://db/shops", "{text}");
        }
    }
    let desk = Desk::new("");
    fs::write(desk.main(), [whole.as_bytes(), b"# \xfc\n"].concat()).unwrap();
    assert_eq!(desk.check().config.unread.len(), 2);
    let desk = desk.var("SHOPSYNCD__DATABASE__URL", "postgres://db/shops");
    assert_eq!(desk.check().config.unread.iter().collect::<Vec<_>>(), [state], "a variable overrules any file");
    fs::remove_file(desk.main()).unwrap();
    assert_eq!(desk.var("SHOPSYNCD__STATE_DIR", "/srv").check().config.unread.len(), 0);
}

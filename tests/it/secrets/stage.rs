//! A daemon with a page, the marketplaces, a browser, and everything that comes out of them.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use mail_parser::MessageParser;
use reqwest::{Client, Method, RequestBuilder, header, redirect::Policy};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use shopsyncd::{
    channels::RawWebhook,
    clock::Clock,
    http::Http,
    keeper::{Links, Page, ShopBook},
    secrets::Sealer,
};
use url::Url;

use super::{
    markets::{Market, Markets, write_app_secrets},
    marks::{Marks, Seen, is_mail},
};

pub(super) const PASSWORD: &str = "marked correct horse battery";
/// How long anything may take.
const LIMIT: Duration = Duration::from_mins(2);

pub(super) struct Stage {
    pub(super) markets: Markets,
    pub(super) marks: Marks,
    pub(super) page: Url,
    pub(super) internal: Url,
    /// The cookie of whoever signed in.
    pub(super) session: Option<String>,
    pub(super) seen: Seen,
    browser: Client,
    links: Links,
    daemon: Option<Child>,
    folder: tempfile::TempDir,
}

/// A page that was opened.
pub(super) struct Opened {
    pub(super) status: u16,
    /// Where it leads.
    pub(super) to: Option<Url>,
    /// Its cookie, with its name.
    pub(super) cookie: Option<String>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

impl Stage {
    pub(super) async fn start() -> Self {
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let [page, internal]: [Url; 2] = [free(), free()].map(|address| format!("http://{address}/").parse().unwrap());
        let seal_key = Sealer::generate();
        let public = Page { public_url: page.clone(), loopback: false };
        // It brings the cryptography that every client needs.
        drop(Http::new(Clock::system()));
        let mut stage = Self {
            markets: Markets::new(&page),
            marks: Marks::default(),
            links: Links::new(Sealer::parse(&seal_key).unwrap(), ShopBook::new(public, [])),
            browser: Client::builder().redirect(Policy::none()).build().unwrap(),
            page,
            internal,
            session: None,
            seen: Seen::new(),
            daemon: None,
            folder: tempfile::tempdir().unwrap(),
        };
        write_app_secrets(stage.folder.path(), "");
        stage.write_seal_keys(&[seal_key.expose()]);
        let (done, hash) = stage.run("password", PASSWORD);
        assert!(done, "{hash}");
        stage.marks.add("the password", PASSWORD);
        stage.marks.add_but("the password's hash", hash.trim(), |place| place == "`password`");
        for address in ["owner@example.com", "ops@example.com"] {
            // Mails are for them, and what an operator asks for may name them; the log, pages and metrics never do.
            let stands = |place: &str| is_mail(place) || place.contains("/state/") || place.starts_with('`');
            stage.marks.add_but("a mail address", address, stands);
        }
        fs::write(stage.path("shopsyncd.toml"), stage.settings(hash.trim())).unwrap();
        stage.serve().await;
        stage
    }

    fn settings(&self, hash: &str) -> String {
        let address = |url: &Url| format!("127.0.0.1:{}", url.port().unwrap());
        format!(
            r#"state_dir = "{folder}/state"
seal_key = {{ file = "{folder}/seal-keys" }}
[web]
listen = "{listen}"
internal = "{internal}"
public_url = "{page}"
password_hash = "{hash}"
[log]
format = "json"
level = "trace"
[mail]
transport = "folder"
from = "shops@example.com"
operator = ["ops@example.com"]
[reminders]
to = ["owner@example.com"]
{markets}"#,
            folder = self.folder.path().display(),
            listen = address(&self.page),
            internal = address(&self.internal),
            page = self.page,
            markets = self.markets.settings(self.folder.path()),
        )
    }

    /// Starts the daemon.
    pub(super) async fn serve(&mut self) {
        // Not beside the settings: there, a line in the log would make the watcher write another one.
        fs::create_dir_all(self.path("log")).unwrap();
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("log/lines")).unwrap();
        self.daemon = Some(program(self.folder.path()).arg("run").stderr(log).spawn().unwrap());
        self.until("the daemon answers", |status| status["daemon"]["healthy"] == true).await;
    }

    /// Stops the daemon as systemd would.
    pub(super) fn stop(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
        assert!(daemon.wait().unwrap().success());
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The ring of keys from the next start on: the first seals.
    pub(super) fn write_seal_keys(&mut self, keys: &[&str]) {
        for key in keys {
            self.marks.add("a seal key", key.rsplit(':').next().unwrap());
        }
        fs::write(self.path("seal-keys"), keys.join("\n")).unwrap();
    }

    /// Runs a command, keeps what it said, and returns whether it went well and its standard output.
    pub(super) fn run(&mut self, line: &str, input: &str) -> (bool, String) {
        let mut child = self.begin(line);
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let done = child.wait_with_output().unwrap();
        self.keep(&format!("`{line}`"), &[&done.stdout[..], &done.stderr].concat());
        (done.status.success(), String::from_utf8(done.stdout).unwrap())
    }

    fn begin(&self, line: &str) -> Child {
        let mut command = program(self.folder.path());
        command.args(line.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn keep(&mut self, place: &str, bytes: &[u8]) {
        self.seen.entry(place.to_owned()).or_default().extend_from_slice(bytes);
    }

    /// The operator carries a consent to and from the command line. The link is told there, and so is its state.
    pub(super) fn authorize_on_the_command_line(&mut self, shop: &str, market: Market) {
        let line = format!("shops authorize {shop}");
        let mut child = self.begin(&line);
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut link = String::new();
        said.read_line(&mut link).unwrap();
        let url: Url = link.trim().parse().unwrap();
        self.marks
            .add_but("a state of the command line", &state_of(&url), |place| place.starts_with("`shops authorize"));
        let back = self.markets.decide(market, &url, true);
        writeln!(child.stdin.take().unwrap(), "{back}").unwrap();
        said.read_to_string(&mut link).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{line}: {link}{}", String::from_utf8_lossy(&done.stderr));
        self.keep(&format!("`{line}`"), &[link.as_bytes(), &done.stderr].concat());
    }

    /// Asks again and again until an answer comes.
    pub(super) async fn wait<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let began = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            if let Some(found) = look(self) {
                return found;
            }
            if began.elapsed() > LIMIT {
                let log = self.log();
                let telling = |line: &&str| !line.contains("\"trace\"") && !line.contains("\"debug\"");
                let log: Vec<&str> = log.lines().filter(telling).collect();
                let last = log[log.len().saturating_sub(30)..].join("\n");
                panic!("not seen: {what}; {}\n{last}", self.run("status", "").1);
            }
        }
    }

    /// Looks at `status --json` until it is as wanted.
    pub(super) async fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) {
        let status = |stage: &mut Self| serde_json::from_str(&stage.run("--json status", "").1).ok();
        self.wait(what, |stage| status(stage).filter(&wanted)).await;
    }

    /// Tests a shop until the marketplace accepts its permission.
    pub(super) async fn until_accepted(&mut self, shop: &str) {
        let line = format!("shops test {shop}");
        self.wait(&line, |stage| stage.run(&line, "").0.then_some(())).await;
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.path("log/lines")).unwrap_or_default()
    }

    /// A link as it stood in a mail so many days ago.
    pub(super) fn link(&mut self, shop: &str, days: i64) -> Url {
        let mailed_at = Clock::system().now() - SignedDuration::from_hours(24 * days);
        let status: Value = serde_json::from_str(&self.run("--json status", "").1).unwrap();
        let account = super::shop(&status, shop)["account"].as_str();
        let link = self.links.renew_link(&shop.parse().unwrap(), account, mailed_at);
        self.marks.add_link(&token_of(&link));
        link
    }

    /// Opens a page.
    pub(super) async fn open(&mut self, url: &Url, cookies: &[Option<String>]) -> Opened {
        let request = self.browser.get(url.clone());
        self.browse(url, request, cookies).await
    }

    /// Presses a button on the page.
    pub(super) async fn send(&mut self, path: &str, fields: &[(&str, &str)], cookies: &[Option<String>]) -> Opened {
        let url = self.page.join(path).unwrap();
        let origin = url.origin().ascii_serialization();
        let request = self.browser.post(url.clone()).header(header::ORIGIN, origin).form(fields);
        self.browse(&url, request, cookies).await
    }

    /// A marketplace, or somebody else, posts a webhook.
    pub(super) async fn post(&mut self, channel: &str, webhook: &RawWebhook) -> u16 {
        let mut url = self.page.join(&format!("webhooks/{channel}")).unwrap();
        url.set_query(webhook.url.query());
        let mut request = self.browser.request(Method::POST, url.clone()).body(webhook.body.clone());
        for (name, value) in &webhook.headers {
            request = request.header(name, value);
        }
        self.browse(&url, request, &[]).await.status
    }

    async fn browse(&mut self, url: &Url, mut request: RequestBuilder, cookies: &[Option<String>]) -> Opened {
        let cookies: Vec<&str> = cookies.iter().flatten().map(String::as_str).collect();
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let answer = request.send().await.unwrap();
        let text = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (to, cookie) = (text(header::LOCATION), text(header::SET_COOKIE));
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap();
        self.keep(&format!("page {} ({status})", url.path()), &body);
        let cookie = cookie.map(|cookie| cookie.split(';').next().unwrap().to_owned());
        if let Some((_, value)) =
            cookie.as_ref().and_then(|cookie| cookie.split_once('=')).filter(|(_, value)| !value.is_empty())
        {
            self.marks.add("a cookie", value);
        }
        Opened { status, to: to.map(|to| url.join(&to).unwrap()), cookie }
    }

    /// A browser goes a whole way: from its beginning to the marketplace, where `decide` says where it ends, and back. In the end
    /// it opens the last page once more, as a browser does that is opened anew. How the way ended.
    pub(super) async fn walk(&mut self, begin: &Url, decide: impl FnOnce(&Markets, &Url) -> Url) -> u16 {
        let session = self.session.clone();
        let begun = self.open(begin, std::slice::from_ref(&session)).await;
        let link = begun.to.unwrap_or_else(|| panic!("{begin} leads nowhere: {}", begun.status));
        self.marks.add("a state", &state_of(&link));
        let back = decide(&self.markets, &link);
        let cookies = [session, begun.cookie];
        let ended = self.open(&back, &cookies).await.status;
        self.open(&back, &cookies).await;
        ended
    }

    /// The mails so far, as they lie in their folder.
    pub(super) fn mails(&self) -> Vec<Vec<u8>> {
        let folder = fs::read_dir(self.path("state/mail")).into_iter().flatten().flatten();
        let mails = folder.map(|file| file.path()).filter(|path| is_mail(&path.display().to_string()));
        mails.filter_map(|path| fs::read(path).ok()).collect()
    }

    /// The links in the mails so far.
    pub(super) fn mailed_links(&mut self) -> Vec<Url> {
        let text = |mail: &Vec<u8>| Some(MessageParser::default().parse(mail)?.body_text(0)?.into_owned());
        let texts: Vec<String> = self.mails().iter().filter_map(text).collect();
        let words = texts.iter().flat_map(|text| text.split_whitespace()).filter(|word| word.contains("?link="));
        let links: Vec<Url> = words.filter_map(|word| word.parse().ok()).collect();
        for link in &links {
            self.marks.add_link(&token_of(link));
        }
        links
    }

    /// Everything in the state folder, and the log.
    pub(super) fn keep_files(&mut self) {
        let mut folders = vec![self.path("state")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    self.seen.insert(path.display().to_string(), fs::read(&path).unwrap());
                }
            }
        }
        self.seen.insert("the log".into(), self.log().into_bytes());
    }
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopsyncd"));
    command.arg("--config").arg(folder.join("shopsyncd.toml"));
    for inherited in ["RUNTIME_DIRECTORY", "NOTIFY_SOCKET", "SHOPSYNCD_CRASH_AT", "SHOPSYNCD_STOP_AT"] {
        command.env_remove(inherited);
    }
    command
}

/// The state in a consent link: SHOPLINE Global has its query behind the `#`, under a name of its own.
fn state_of(link: &Url) -> String {
    let behind = link.fragment().and_then(|fragment| fragment.split_once('?')).map(|(_, query)| query);
    let query = behind.or(link.query()).unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let found = pairs.find(|(name, _)| name == "state" || name == "customField");
    found.unwrap_or_else(|| panic!("no state in {link}")).1.into_owned()
}

fn token_of(link: &Url) -> String {
    link.query_pairs().find(|(name, _)| name == "link").unwrap().1.into_owned()
}

//! A mail relay as a child process, and the certificates by which it is known.

use std::{fs, path::PathBuf, process::Stdio};

use serde::Deserialize;
use serde_json::{Value, json};
use shopsyncd::{
    clock::Clock,
    mail::{Mailer, Settings, Smtp, Tls, Transport},
    secrets::Secret,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{file, is_installed};

pub(super) const USER: &str = "shöps";
pub(super) const PASSWORD: &str = "geh€im, opensesame";
const PYTHON: &str = "venv/bin/python";

/// How the relay is to serve.
#[derive(Debug, Clone, Copy)]
pub(super) struct Serves {
    pub(super) host: &'static str,
    pub(super) tls: Tls,
    /// Whether it demands a login.
    pub(super) auth: bool,
    /// Whether it takes addresses with umlauts.
    pub(super) utf8: bool,
    /// For which names and addresses its certificate is.
    pub(super) names: &'static str,
}

impl Serves {
    /// With STARTTLS and a login, as most relays do.
    pub(super) const USUAL: Self =
        Self { host: "127.0.0.1", tls: Tls::Starttls, auth: true, utf8: true, names: "DNS:localhost,IP:127.0.0.1" };
}

/// What the relay has taken, and what it heard on the way.
#[derive(Debug, Deserialize)]
pub(super) struct Taken {
    pub(super) received: Vec<Value>,
    pub(super) heard: Vec<String>,
    /// How much of what was to go wrong has not.
    pub(super) left: usize,
}

/// A relay that runs. It ends when dropped.
pub(super) struct Relay {
    pub(super) port: u16,
    serves: Serves,
    folder: TempDir,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Relay {
    /// Starts it on a free port. `None`: it is not installed.
    pub(super) async fn start(serves: Serves) -> Option<Self> {
        if !is_installed("the mail relay aiosmtpd", PYTHON) || !super::is_here("openssl") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        if serves.tls != Tls::None {
            certify(&folder, serves.names).await;
        }
        let tls = match serves.tls {
            Tls::None => "none",
            Tls::Starttls => "starttls",
            Tls::Implicit => "implicit",
        };
        let mut options = json!({
            "host": serves.host, "tls": tls, "utf8": serves.utf8,
            "certificate": folder.path().join("relay.pem"), "key": folder.path().join("relay.key"),
        });
        if serves.auth {
            options["user"] = USER.into();
            options["password"] = PASSWORD.into();
        }
        let mut command = Command::new(file(PYTHON));
        command.arg(file("smtp-relay.py")).arg(options.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let begun = answers.next_line().await.unwrap().expect("the relay broke off; what it said stands above");
        let begun: Value = serde_json::from_str(&begun).unwrap();
        let port = begun["port"].as_u64().unwrap().try_into().unwrap();
        Some(Self { port, serves, folder, orders: child.stdin.take().unwrap(), answers, _child: child })
    }

    /// The certificate of whoever signed the relay's.
    pub(super) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// How it is reached by somebody who knows it.
    pub(super) fn known(&self) -> Smtp {
        Smtp {
            host: self.serves.host.to_owned(),
            port: self.port,
            tls: self.serves.tls,
            username: self.serves.auth.then(|| USER.to_owned()),
            password: self.serves.auth.then(|| Secret::new(PASSWORD)),
            ca: fs::read_to_string(self.ca_file()).ok(),
        }
    }

    /// A mailer to it.
    pub(super) fn mailer(&self) -> Mailer {
        mailer(self.known())
    }

    /// The next conversations that get to `at` go wrong like this, one after the other.
    pub(super) async fn next(&mut self, plans: &[(&str, &str)]) {
        let plans: Vec<_> = plans.iter().map(|(at, how)| json!({ "at": at, "how": how })).collect();
        self.order(json!({ "next": plans })).await;
    }

    /// What has come since this was last asked.
    pub(super) async fn taken(&mut self) -> Taken {
        serde_json::from_value(self.order(json!({})).await).unwrap()
    }

    async fn order(&mut self, order: Value) -> Value {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        let answer = self.answers.next_line().await.unwrap().expect("the relay broke off; what it said stands above");
        serde_json::from_str(&answer).unwrap()
    }
}

/// A mailer to a relay that is reached like this.
pub(super) fn mailer(smtp: Smtp) -> Mailer {
    Mailer::new(&Settings { transport: Transport::Smtp(smtp) }, Clock::system()).unwrap()
}

/// A private authority, and a certificate by it for these names.
pub(super) async fn certify(folder: &TempDir, names: &str) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for line in [
        format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=Test_Authority"),
        format!(
            "req {key} -keyout relay.key -out relay.csr -subj /CN=relay -addext subjectAltName={names} -addext extendedKeyUsage=serverAuth"
        ),
        "x509 -req -in relay.csr -CA ca.pem -CAkey ca.key -copy_extensions copy -days 2 -out relay.pem".to_owned(),
    ] {
        let done = Command::new("openssl").args(line.split(' ')).current_dir(folder.path()).output().await.unwrap();
        assert!(done.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

/// Files (mails, and calendars by the ending `.ics`) as the relay's readers understand them. `None`: they are not installed.
pub(super) async fn read(files: &[PathBuf]) -> Option<Vec<Value>> {
    if !is_installed("Python's email and icalendar", PYTHON) {
        return None;
    }
    let mut command = Command::new(file(PYTHON));
    let mut child = command.arg(file("mail_reader.py")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let names = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join("\n");
    child.stdin.take().unwrap().write_all(names.as_bytes()).await.unwrap();
    let told = child.wait_with_output().await.unwrap();
    assert!(told.status.success(), "the readers broke off; what they said stands above");
    let lines = String::from_utf8(told.stdout).unwrap();
    Some(lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

//! How a message leaves: through a relay, into a folder, not at all, or (in tests) into memory.

use std::{
    collections::VecDeque,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    address::Envelope as SmtpEnvelope,
    transport::smtp::{
        self, PoolConfig,
        authentication::Credentials,
        client::{Certificate, Tls as SmtpTls, TlsParameters},
    },
};
use tokio::time::timeout;

use super::{MailError, address, host_in_ascii};
use crate::{clock::Clock, domain::is_local_name, secrets::Secret};

/// How long it may take to reach a relay.
const REACH: Duration = Duration::from_secs(30);
/// How long a relay may take over a message, from its greeting to its yes. Some look at what they are given before they take it; one that
/// has gone silent must not keep all the other mails.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long an idle connection is kept for the next message.
const KEEP: Duration = Duration::from_secs(30);

/// What mail needs to know of the settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How mail leaves.
    pub transport: Transport,
}

/// How mail leaves.
#[derive(Debug, Clone)]
pub enum Transport {
    /// It does not.
    None,
    /// One `.eml` per message in this folder.
    Folder(PathBuf),
    /// Through a relay.
    Smtp(Smtp),
}

/// A relay.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Encryption.
    pub tls: Tls,
    /// Without it no AUTH is used.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// Certificates (PEM) that the relay's may be signed by, besides the system's.
    pub ca: Option<String>,
}

/// Encryption towards the relay. Never downgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Demanded after the greeting.
    Starttls,
    /// From the first byte.
    Implicit,
    /// None; loopback only.
    None,
}

/// A message to be handed over, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// The sender's address.
    pub from: &'a str,
    /// The recipient's address.
    pub to: &'a str,
    /// Its Message-ID; names the file in a folder.
    pub message_id: &'a str,
    /// The whole message: header and body, lines ended by CRLF.
    pub message: &'a str,
}

/// Hands messages over. Cheap to clone.
#[derive(Clone)]
pub enum Mailer {
    /// Mail is switched off.
    None,
    /// One `.eml` per message in a folder, named by time.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Names the files.
        clock: Clock,
    },
    /// Through a relay.
    Smtp(Relay),
    /// Into memory: for tests.
    Memory(Memory),
}

/// A relay, with its open connections.
#[derive(Clone)]
pub struct Relay {
    smtp: AsyncSmtpTransport<Tokio1Executor>,
    name: String,
    patience: Duration,
}

impl Mailer {
    /// Makes one. Opens no connection yet. Must be called inside the runtime, whose tasks look after idle connections.
    pub fn new(settings: &Settings, clock: Clock) -> Result<Self, MailError> {
        match &settings.transport {
            Transport::None => Ok(Self::None),
            Transport::Folder(folder) => Ok(Self::Folder { folder: folder.clone(), clock }),
            Transport::Smtp(smtp) => Relay::new(smtp).map(Self::Smtp),
        }
    }

    /// Whether mail is switched off.
    pub const fn is_off(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Hands a message over. Sending the same one again is the caller's decision; its Message-ID lets the receiving side notice.
    pub async fn send(&self, mail: Outgoing<'_>) -> Result<(), MailError> {
        match self {
            Self::None => Err(MailError::passing("mail is switched off; set `mail.transport`")),
            Self::Folder { folder, clock } => put(folder, clock, mail).await,
            Self::Smtp(relay) => relay.send(mail).await,
            Self::Memory(memory) => memory.take(mail),
        }
    }
}

/// The mailer in force: replaced whole when the settings change. Clones share one value.
#[derive(Clone)]
pub struct MailerBook(Arc<ArcSwap<Mailer>>);

impl MailerBook {
    /// With this mailer.
    pub fn new(mailer: Mailer) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(mailer)))
    }

    /// The mailer in force.
    pub fn load(&self) -> Arc<Mailer> {
        self.0.load_full()
    }

    /// Puts another in force, and answers the one before.
    pub fn replace(&self, mailer: Mailer) -> Arc<Mailer> {
        self.0.swap(Arc::new(mailer))
    }
}

impl Relay {
    fn new(smtp: &Smtp) -> Result<Self, MailError> {
        let host = host_in_ascii(smtp.host.trim_matches(['[', ']']));
        let name = if host.contains(':') { format!("[{host}]:{}", smtp.port) } else { format!("{host}:{}", smtp.port) };
        let tls = || parameters(&host, smtp.ca.as_deref(), &name);
        let tls = match smtp.tls {
            Tls::None if !is_local_name(&host) => {
                return Err(MailError::passing(format!(
                    "relay {name}: mail without encryption is for loopback only; set `mail.smtp.tls` to \"starttls\" or \"implicit\""
                )));
            }
            Tls::None => SmtpTls::None,
            Tls::Starttls => SmtpTls::Required(tls()?),
            Tls::Implicit => SmtpTls::Wrapper(tls()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host)
            .port(smtp.port)
            .tls(tls)
            .timeout(Some(REACH))
            .pool_config(PoolConfig::new().max_size(4).idle_timeout(KEEP));
        if let Some(username) = &smtp.username {
            let password = smtp.password.as_ref().map_or("", Secret::expose);
            builder = builder.credentials(Credentials::new(username.clone(), password.to_owned()));
        }
        Ok(Self { smtp: builder.build(), name, patience: PATIENCE })
    }

    async fn send(&self, mail: Outgoing<'_>) -> Result<(), MailError> {
        let (from, to) = (address(mail.from)?, address(mail.to)?);
        let needs_utf8 = [&from, &to].iter().any(|address| !address.user().is_ascii());
        let envelope = SmtpEnvelope::new(Some(from), vec![to])
            .map_err(|cause| MailError::permanent(format!("envelope of a mail: {cause}")))?;
        let name = &self.name;
        let Ok(answer) = timeout(self.patience, self.smtp.send_raw(&envelope, mail.message.as_bytes())).await else {
            let text = format!("relay {name}: it has gone silent for {:?}", self.patience);
            let error = if self.is_there().await { MailError::passing(text) } else { MailError::away(text) };
            return Err(error.in_doubt());
        };
        let Err(error) = answer else { return Ok(()) };
        let told = self.meaning(&error, needs_utf8).await;
        Err(if may_have_left(&error) { told.in_doubt() } else { told })
    }

    /// What a failed conversation means for the message, and for those that wait.
    async fn meaning(&self, error: &smtp::Error, needs_utf8: bool) -> MailError {
        let name = &self.name;
        match code_of(error) {
            // The relay was never asked: it does not know such addresses, today and tomorrow. What else is found out on our side of the
            // conversation (no encryption, no way to sign in) is for the operator to mend.
            None if needs_utf8 && error.is_client() && chain(error).contains("SMTPUTF8") => {
                MailError::permanent(format!(
                    "relay {name}: it takes no address with a letter beyond ASCII before the @ (SMTPUTF8); use another address or relay"
                ))
            }
            // A word, or a silence, that may be meant for the conversation or for this message (RFC 5321 section 3.1).
            Some(554) if !self.is_served().await => MailError::away(sort(name, error).text),
            None | Some(421 | 521) if !self.is_there().await => MailError::away(sort(name, error).text),
            _ => sort(name, error),
        }
    }
}

impl Relay {
    /// Whether it does not refuse every conversation with the word that may also refuse a message.
    async fn is_served(&self) -> bool {
        let answer = timeout(self.patience.min(REACH), self.smtp.test_connection()).await;
        !matches!(answer, Ok(Err(error)) if code_of(&error) == Some(554))
    }

    /// Whether it talks with us at all, up to the point at which it would be given a message.
    async fn is_there(&self) -> bool {
        matches!(timeout(self.patience.min(REACH), self.smtp.test_connection()).await, Ok(Ok(true)))
    }
}

/// What a failed conversation means. A login that is refused, a command the relay does not know, or a relay that is closed is for the
/// operator to mend, so the message stays owed although the reply is a 5xx (RFC 5321 section 4.2, RFC 4954 section 6).
fn sort(relay: &str, error: &smtp::Error) -> MailError {
    let text = format!("relay {relay}: {}", chain(error));
    let code = code_of(error);
    if code.is_none() && text.contains("UnknownIssuer") {
        let remedy = "name who signed its certificate in `mail.smtp.ca_file`";
        return MailError::away(format!("{text}; {remedy}"));
    }
    match code {
        Some(535 | 534 | 538 | 530) => {
            MailError::away(format!("{text}; correct `mail.smtp.username` and `mail.smtp.password`"))
        }
        Some(500..=504 | 521) => MailError::passing(text),
        Some(500..) => MailError::permanent(text),
        _ => MailError::passing(text),
    }
}

/// Whether a conversation failed in a way that leaves open whether the relay took the message: it broke off somewhere, without a reply that
/// says no. Nothing has left where none came about, or we ended it ourselves.
fn may_have_left(error: &smtp::Error) -> bool {
    let unconnected = error.to_string().starts_with("Connection error");
    code_of(error).is_none() && !error.is_client() && !error.is_tls() && !unconnected
}

fn code_of(error: &smtp::Error) -> Option<u16> {
    error.status().map(u16::from)
}

/// Words without the addresses in them, which have no place in a log or a status line: also in a relay's words, which says one as it was
/// written, or as it travelled.
pub fn without_addresses(text: &str) -> String {
    let parts = text.split_inclusive(|c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c));
    let masked = parts.map(|part| {
        let end = part.trim_end_matches(|c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c));
        if end.contains('@') { format!("…{}", &part[end.len()..]) } else { part.to_owned() }
    });
    masked.collect()
}

/// An error with its causes, on one line, without those that the line above them repeats.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text.replace(['\r', '\n'], " ")
}

fn parameters(host: &str, ca: Option<&str>, name: &str) -> Result<TlsParameters, MailError> {
    let fault = |cause: smtp::Error| MailError::passing(format!("relay {name}: {}", chain(&cause)));
    let mut trust = TlsParameters::builder(host.to_owned());
    if let Some(pem) = ca {
        trust = trust.add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(fault)?);
    }
    trust.build().map_err(fault)
}

/// Writes a message into a folder: whole or not at all. Names sort by time.
async fn put(folder: &Path, clock: &Clock, mail: Outgoing<'_>) -> Result<(), MailError> {
    let id: String = mail
        .message_id
        .chars()
        .take_while(|c| *c != '@')
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
        .collect();
    let name = format!("{}-{id}", clock.now().strftime("%Y%m%dT%H%M%S%.3fZ"));
    let (folder, message) = (folder.to_owned(), mail.message.to_owned());
    let shown = folder.display().to_string();
    let written = tokio::task::spawn_blocking(move || write_whole(&folder, &name, &message)).await;
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err((cause, Placed::No))) => Err(MailError::passing(format!("mail folder {shown}: {cause}"))),
        Ok(Err((cause, Placed::Perhaps))) => {
            Err(MailError::passing(format!("mail folder {shown}: {cause}")).in_doubt())
        }
        Err(cause) => Err(MailError::passing(format!("mail folder {shown}: {cause}")).in_doubt()),
    }
}

/// Whether the file stands in the folder although something failed.
enum Placed {
    No,
    Perhaps,
}

/// The links in a mail renew permissions, so that nobody else may read it.
fn write_whole(folder: &Path, name: &str, message: &str) -> Result<(), (std::io::Error, Placed)> {
    use std::os::unix::fs::DirBuilderExt as _;

    let not_placed = |cause| (cause, Placed::No);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(not_placed)?;
    let draft = folder.join(format!(".{name}.part"));
    let placed =
        write_draft(&draft, message).and_then(|()| std::fs::rename(&draft, folder.join(format!("{name}.eml"))));
    if placed.is_err() {
        // A half that stays would keep room from the whole, where that is what is missing.
        let _ = std::fs::remove_file(&draft);
    }
    placed.map_err(not_placed)?;
    let kept = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    kept.map_err(|cause| (cause, Placed::Perhaps))
}

fn write_draft(draft: &Path, message: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    file.write_all(message.as_bytes())?;
    file.sync_all()
}

/// A mail as it arrived in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The sender's address.
    pub from: String,
    /// The recipient's address.
    pub to: String,
    /// The whole message.
    pub message: String,
}

/// A relay in memory: keeps what it takes, and answers as told. Clones share one memory.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    received: Vec<Received>,
    answers: VecDeque<MailError>,
    away: Option<MailError>,
    unknown: Option<(String, MailError)>,
}

impl Memory {
    /// The next message is answered with this error, the one after with the next such, then messages are taken again.
    pub fn refuse_next(&self, error: MailError) {
        self.lock().answers.push_back(error);
    }

    /// Every message is answered with this error, until it is told otherwise.
    pub fn refuse_all(&self, error: Option<MailError>) {
        self.lock().away = error;
    }

    /// Every message to this recipient is answered with this error, until it is told otherwise.
    pub fn refuse_to(&self, to: &str, error: Option<MailError>) {
        self.lock().unknown = error.map(|error| (to.to_owned(), error));
    }

    /// Takes out what has arrived, the oldest first.
    pub fn drain(&self) -> Vec<Received> {
        std::mem::take(&mut self.lock().received)
    }

    fn take(&self, mail: Outgoing<'_>) -> Result<(), MailError> {
        let mut kept = self.lock();
        let unknown = kept.unknown.as_ref().filter(|(to, _)| to == mail.to).map(|(_, error)| error.clone());
        if let Some(error) = kept.answers.pop_front().or_else(|| kept.away.clone()).or(unknown) {
            return Err(error);
        }
        kept.received.push(Received {
            from: mail.from.to_owned(),
            to: mail.to.to_owned(),
            message: mail.message.to_owned(),
        });
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

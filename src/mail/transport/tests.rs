//! Relays that answer as told, on loopback.
#![expect(clippy::unwrap_used, reason = "tests")]

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;
use crate::mail::Fate;

const MESSAGE: &str = "Subject: hello\r\n\r\nWorld\r\n.dot\r\n";
const OUT: Outgoing<'static> = Outgoing {
    from: "shops@example.com",
    to: "owner@example.com",
    message_id: "<shopsyncd.7.1@example.com>",
    message: MESSAGE,
};

/// Answers one connection: `EHLO` with these abilities, the command that begins with `at` with `reply`, everything else with yes.
/// Returns the lines it heard.
async fn relay(abilities: &'static str, at: &'static str, reply: &'static str) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let mut heard = Vec::new();
        let mut in_message = false;
        write.write_all(b"220 relay\r\n").await.unwrap();
        while let Ok(Some(line)) = lines.next_line().await {
            heard.push(line.clone());
            if in_message && line != "." {
                continue;
            }
            let answer = if !at.is_empty() && line.starts_with(at) {
                format!("{reply}\r\n")
            } else if line.starts_with("EHLO") {
                format!("250-relay\r\n{abilities}250 8BITMIME\r\n")
            } else if line == "DATA" {
                "354 go\r\n".to_owned()
            } else if line.starts_with("AUTH") {
                "235 ok\r\n".to_owned()
            } else {
                "250 ok\r\n".to_owned()
            };
            in_message = answer.starts_with("354");
            if write.write_all(answer.as_bytes()).await.is_err() || line == "QUIT" {
                break;
            }
        }
        heard
    });
    (port, heard)
}

fn smtp(host: &str, port: u16) -> Smtp {
    Smtp { host: host.to_owned(), port, tls: Tls::None, username: None, password: None, ca: None }
}

fn mailer(port: u16, tls: Tls, username: Option<&str>) -> Mailer {
    let smtp = Smtp {
        tls,
        username: username.map(str::to_owned),
        password: username.map(|_| Secret::new("opensesame")),
        ..smtp("127.0.0.1", port)
    };
    Mailer::new(&Settings { transport: Transport::Smtp(smtp) }, Clock::system()).unwrap()
}

/// Sends once and hangs up; the answer, and what the relay heard.
async fn send(
    tls: Tls,
    username: Option<&str>,
    abilities: &'static str,
    at: &'static str,
    reply: &'static str,
) -> (Result<(), MailError>, Vec<String>) {
    send_to(OUT.to, tls, username, abilities, at, reply).await
}

async fn send_to(
    to: &str,
    tls: Tls,
    username: Option<&str>,
    abilities: &'static str,
    at: &'static str,
    reply: &'static str,
) -> (Result<(), MailError>, Vec<String>) {
    let (port, heard) = relay(abilities, at, reply).await;
    let mailer = mailer(port, tls, username);
    let answer = mailer.send(Outgoing { to, ..OUT }).await;
    if let Mailer::Smtp(relay) = &mailer {
        relay.smtp.shutdown().await;
    }
    drop(mailer);
    (answer, heard.await.unwrap())
}

#[tokio::test]
async fn a_relay_gets_the_message_and_without_a_username_no_auth() {
    let (answer, heard) = send(Tls::None, None, "250-AUTH PLAIN LOGIN\r\n", "", "").await;
    assert_eq!(answer, Ok(()));
    assert!(heard.iter().any(|line| line.starts_with("MAIL FROM:<shops@example.com>")), "{heard:?}");
    assert!(heard.iter().any(|line| line.starts_with("RCPT TO:<owner@example.com>")), "{heard:?}");
    assert!(heard.iter().any(|line| line == "World") && heard.iter().any(|line| line == "..dot"), "{heard:?}");
    assert!(!heard.iter().any(|line| line.starts_with("AUTH")), "{heard:?}");
}

#[tokio::test]
async fn with_a_username_it_signs_in() {
    let (answer, heard) = send(Tls::None, Some("shops"), "250-AUTH PLAIN\r\n", "", "").await;
    assert_eq!(answer, Ok(()));
    assert!(heard.iter().any(|line| line.starts_with("AUTH PLAIN")), "{heard:?}");
}

#[tokio::test]
async fn refusals_are_for_good_only_where_the_message_is_refused() {
    let table = [
        ("RCPT", "550 5.1.1 no such user", true),
        ("RCPT", "553 bad address", true),
        (".", "554 5.7.1 looks like spam", true),
        ("RCPT", "451 4.7.1 greylisted", false),
        ("RCPT", "452 mailbox full", false),
        ("MAIL", "421 closing", false),
        ("AUTH", "535 5.7.8 bad password", false),
        ("MAIL", "530 5.7.0 sign in first", false),
        ("MAIL", "503 bad sequence", false),
    ];
    for (at, reply, permanent) in table {
        let username = (at == "AUTH").then_some("shops");
        let (answer, _) = send(Tls::None, username, "250-AUTH PLAIN\r\n", at, reply).await;
        let error = answer.unwrap_err();
        assert_eq!(error.is_permanent(), permanent, "{reply}: {error}");
        assert!(error.text.contains(&reply[..3]) && error.text.starts_with("relay 127.0.0.1:"), "{error}");
        assert!(!error.text.contains("opensesame"));
    }
}

#[tokio::test]
async fn encryption_that_is_not_offered_is_not_done_without() {
    let (answer, heard) = send(Tls::Starttls, Some("shops"), "250-AUTH PLAIN\r\n", "", "").await;
    assert!(!answer.unwrap_err().is_permanent());
    let spoken: Vec<_> = heard.iter().filter(|line| !line.starts_with("EHLO") && *line != "QUIT").collect();
    assert!(spoken.is_empty(), "neither a password nor a mail was said: {spoken:?}");
}

#[tokio::test]
async fn an_umlaut_is_to_blame_only_where_the_relay_does_not_take_it() {
    for to in ["jm@bücher.example", "jürgen@bücher.example"] {
        let (answer, _) = send_to(to, Tls::Starttls, None, "250-SMTPUTF8\r\n", "", "").await;
        let error = answer.unwrap_err();
        assert!(!error.is_permanent() && error.text.contains("STARTTLS"), "{to}: {error}");
        let (answer, _) = send_to(to, Tls::None, Some("shops"), "", "", "").await;
        let error = answer.unwrap_err();
        assert!(!error.is_permanent() && error.text.contains("mechanism"), "{to}: {error}");
    }
    let (answer, _) = send_to("jürgen@bücher.example", Tls::None, None, "", "", "").await;
    assert!(answer.is_err_and(|error| error.is_permanent() && error.text.contains("SMTPUTF8")));
    let (answer, _) = send_to("jm@bücher.example", Tls::None, None, "", "", "").await;
    assert_eq!(answer, Ok(()), "a domain travels in ASCII");
}

#[tokio::test]
async fn without_encryption_only_loopback_is_spoken_to() {
    let made = |host| Mailer::new(&Settings { transport: Transport::Smtp(smtp(host, 25)) }, Clock::system());
    assert!(made("smtp.example.com").is_err_and(|error| error.text.contains("starttls")));
    assert!(made("192.0.2.1").is_err());
    for host in ["127.0.0.1", "localhost", "relay.localhost", "::1", "127.1.2.3", "[::1]"] {
        assert!(made(host).is_ok(), "{host}");
    }
}

#[tokio::test]
async fn a_relay_that_is_away_leaves_the_message_owed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = mailer(port, Tls::None, None).send(OUT).await.unwrap_err();
    assert!(error.fate == Fate::Away && !error.in_doubt, "{error}");
}

/// Greets every connection with this line and hangs up.
async fn greets(line: &'static str) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let greeting = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(line.as_bytes()).await;
        }
    });
    (port, greeting)
}

#[tokio::test]
async fn a_relay_that_talks_with_nobody_says_nothing_of_the_message() {
    for line in ["554 no service for you\r\n", "421 busy\r\n"] {
        let (port, greeting) = greets(line).await;
        let error = mailer(port, Tls::None, None).send(OUT).await.unwrap_err();
        assert!(error.fate == Fate::Away && !error.in_doubt && error.text.contains(&line[..3]), "{error}");
        greeting.abort();
    }
}

#[test]
fn no_address_stays_in_what_a_relay_says() {
    for (said, shown) in [
        ("550 5.1.1 <jm@xn--bcher-kva.example>: no such user", "550 5.1.1 <…>: no such user"),
        ("550 Owner@Example.COM unknown, ask postmaster@example.com.", "550 … unknown, ask …"),
        ("relay 127.0.0.1:25: nothing here", "relay 127.0.0.1:25: nothing here"),
    ] {
        assert_eq!(without_addresses(said), shown);
    }
}

#[tokio::test]
async fn a_relay_that_goes_silent_is_given_up_and_the_message_stays_owed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = tokio::spawn(async move { listener.accept().await.unwrap() });
    let mut mailer = mailer(port, Tls::None, None);
    if let Mailer::Smtp(relay) = &mut mailer {
        relay.patience = Duration::from_millis(50);
    }
    let error = mailer.send(OUT).await.unwrap_err();
    assert!(!error.is_permanent() && error.text.ends_with("it has gone silent for 50ms"), "{error}");
    assert!(error.in_doubt, "nobody knows what became of it");
    drop(silent.await);
}

#[tokio::test]
async fn hosts_are_named_in_ascii_and_an_address_in_brackets_is_one() {
    let name = |host: &str| {
        let smtp = Smtp { tls: Tls::Implicit, ..smtp(host, 465) };
        let Ok(Mailer::Smtp(relay)) = Mailer::new(&Settings { transport: Transport::Smtp(smtp) }, Clock::system())
        else {
            panic!("{host}")
        };
        relay.name
    };
    assert_eq!(name("mail.bücher.example"), "mail.xn--bcher-kva.example:465");
    assert_eq!((name("[::1]"), name("::1")), ("[::1]:465".to_owned(), "[::1]:465".to_owned()));
    assert_eq!(name("smtp.example.com"), "smtp.example.com:465");
}

#[tokio::test]
async fn a_folder_gets_whole_files_whose_names_sort_by_time() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("mail");
    let clock = Clock::manual("2026-12-13T11:00:00.123Z".parse().unwrap());
    let mailer = Mailer::new(&Settings { transport: Transport::Folder(folder.clone()) }, clock.clone()).unwrap();
    mailer.send(OUT).await.unwrap();
    clock.advance(jiff::SignedDuration::from_millis(1));
    mailer.send(Outgoing { message_id: "<../../x.2@example.com>", ..OUT }).await.unwrap();
    let mut names: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["20261213T110000.123Z-shopsyncd.7.1.eml", "20261213T110000.124Z-....x.2.eml"]);
    let first = folder.join(&names[0]);
    assert_eq!(std::fs::read_to_string(&first).unwrap(), MESSAGE);
    assert_eq!(std::fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_leaves_the_message_owed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mail");
    std::fs::write(&file, "in the way").unwrap();
    let settings = Settings { transport: Transport::Folder(file) };
    let error = Mailer::new(&settings, Clock::system()).unwrap().send(OUT).await.unwrap_err();
    assert!(!error.is_permanent() && error.text.starts_with("mail folder "), "{error}");
}

#[tokio::test]
async fn a_folder_on_a_full_disk_leaves_the_message_owed_and_no_half_of_it_behind() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual("2026-12-13T11:00:00Z".parse().unwrap());
    let mailer = Mailer::new(&Settings { transport: Transport::Folder(dir.path().to_owned()) }, clock).unwrap();
    let draft = dir.path().join(".20261213T110000.000Z-shopsyncd.7.1.part");
    // Whatever is written to it finds no room.
    std::os::unix::fs::symlink("/dev/full", &draft).unwrap();
    let error = mailer.send(OUT).await.unwrap_err();
    assert!(!error.is_permanent() && error.text.contains("No space left"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    mailer.send(OUT).await.unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

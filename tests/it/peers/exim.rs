//! A second relay, Debian's exim4, unpacked and not installed: what it takes is read where it put it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{getegid, geteuid};
use serde_json::json;
use shopsyncd::{
    mail::{Mailer, Smtp, Tls},
    secrets::Secret,
};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::{interval, timeout},
};

use super::{
    file, is_installed,
    relay::{certify, mailer, read},
    smtp::{Kept, OWNER, is_sound},
};

/// Whom it runs as where the tests run as root: it refuses to deliver as that.
const NOBODY: u32 = 65_534;

/// The relay. It ends when dropped.
struct Exim {
    port: u16,
    folder: TempDir,
    _child: Child,
}

impl Exim {
    /// `None`: it is not unpacked here.
    async fn start() -> Option<Self> {
        let unpacked = "debian/usr/sbin/exim4";
        if !is_installed("the mail relay exim4", unpacked) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        certify(&folder, "DNS:localhost,IP:127.0.0.1,IP:::1").await;
        // Nobody else takes it in the moment until the relay does.
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let (root, me) = (geteuid().is_root(), (geteuid().as_raw(), getegid().as_raw()));
        let (user, group) = if root { (NOBODY, NOBODY) } else { me };
        let settings = fs::read_to_string(file("exim.conf")).unwrap();
        let settings = settings.replace("FOLDER", folder.path().to_str().unwrap()).replace("PORT", &port.to_string());
        fs::write(path("exim.conf"), settings).unwrap();
        // It wants to know its user by the name that the package would have made.
        fs::write(path("passwd"), format!("Debian-exim:x:{user}:{group}::/:/bin/sh\n")).unwrap();
        fs::write(path("group"), format!("Debian-exim:x:{group}:\n")).unwrap();
        // A copy: whom it runs as may not get at the project, and a program that changes its user would not be told of libraries.
        let mut all = vec![(file(unpacked), path("exim4"))];
        let mut libraries = Vec::new();
        find(&file("debian/usr/lib"), &mut libraries);
        for library in libraries {
            let name = library.file_name().unwrap().to_str().unwrap().to_owned();
            if name.contains(".so") {
                all.push((library, path(&name)));
            }
        }
        for (from, to) in &all {
            fs::copy(from, to).unwrap();
            fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for made in ["spool", "log"] {
            fs::create_dir(path(made)).unwrap();
        }
        let mut command = Command::new(if root { PathBuf::from("setpriv") } else { path("exim4") });
        if root {
            let inside = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            for own in inside.filter(|own| own != &path("exim.conf")).chain([folder.path().to_owned()]) {
                chown(own, Some(user), Some(group)).unwrap();
            }
            fs::set_permissions(path("exim.conf"), fs::Permissions::from_mode(0o644)).unwrap();
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(path("exim4"));
        }
        command.arg("-C").arg(path("exim.conf")).args(["-bdf"]).env("LD_LIBRARY_PATH", folder.path());
        command.env("LD_PRELOAD", path("libnss_wrapper.so"));
        command.env("NSS_WRAPPER_PASSWD", path("passwd")).env("NSS_WRAPPER_GROUP", path("group"));
        let child = command.stdin(Stdio::null()).current_dir("/").kill_on_drop(true).spawn().unwrap();
        let exim = Self { port, folder, _child: child };
        exim.until("it listens", async |exim| TcpStream::connect(("127.0.0.1", exim.port)).await.ok()).await;
        Some(exim)
    }

    /// Looks again and again until there is something to see.
    async fn until<T>(&self, what: &str, look: impl AsyncFn(&Self) -> Option<T>) -> T {
        let mut ticks = interval(Duration::from_millis(50));
        let looks = async {
            loop {
                ticks.tick().await;
                if let Some(seen) = look(self).await {
                    return seen;
                }
            }
        };
        let seen = timeout(Duration::from_secs(30), looks).await;
        seen.unwrap_or_else(|_| panic!("{what} does not happen: {:?}", fs::read_to_string(self.path("log/main"))))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn mailer(&self, host: &str) -> Mailer {
        mailer(Smtp {
            host: host.to_owned(),
            port: self.port,
            tls: Tls::Starttls,
            username: Some("shops".to_owned()),
            password: Some(Secret::new("opensesame")),
            ca: Some(fs::read_to_string(self.path("ca.pem")).unwrap()),
        })
    }

    /// What it has delivered, once it is so much.
    async fn delivered(&self, count: usize) -> Vec<PathBuf> {
        self.until("a delivery", async |exim| {
            let files = fs::read_dir(exim.path("box/new")).ok()?.map(|file| file.unwrap().path());
            Some(files.collect::<Vec<_>>()).filter(|files| files.len() >= count)
        })
        .await
    }
}

/// All files below a folder.
fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() { find(&entry.path(), found) } else { found.push(entry.path()) }
    }
}

#[tokio::test]
async fn what_exim_takes_is_delivered_as_it_was_and_what_it_refuses_is_told_apart() {
    let Some(exim) = Exim::start().await else { return };
    let (four, six) = (exim.mailer("127.0.0.1"), exim.mailer("::1"));
    let sent = [Kept::plain(1), Kept::plain(2).to("jürgen@bücher.example"), Kept::plain(3)];
    for (mail, mailer) in sent.iter().zip([&four, &four, &six]) {
        mail.send(mailer).await.unwrap();
    }
    for (to, permanent, code) in [("gone@example.com", true, "550"), ("later@example.com", false, "451")] {
        let error = Kept::plain(4).to(to).send(&four).await.unwrap_err();
        assert_eq!(error.is_permanent(), permanent, "{error}");
        assert!(error.text.contains(code), "{error}");
    }
    let too_large = Kept::plain(5).padded(200_000).send(&four).await.unwrap_err();
    assert!(too_large.is_permanent() && too_large.text.contains("552"), "{too_large}");

    let Some(mut told) = read(&exim.delivered(sent.len()).await).await else { return };
    assert_eq!(told.len(), sent.len());
    told.sort_by_key(|mail| mail["headers"]["message-id"].to_string());
    for (mail, sent) in told.iter().zip(&sent) {
        assert_eq!(mail["headers"]["message-id"], sent.id);
        assert_eq!(mail["to"], json!([[OWNER.0, sent.address_in_ascii()]]));
        assert_eq!(mail["headers"]["return-path"], "<shops@example.com>");
        assert_eq!(mail["headers"]["envelope-to"], sent.address_in_ascii());
    }
    // What the relay writes above it is not ours to judge; the mail below is.
    let ours = exim.path("ours.eml");
    fs::write(&ours, sent[0].message.as_bytes()).unwrap();
    let whole = read(&[ours]).await.unwrap().remove(0);
    is_sound(&whole);
    for part in ["text", "html", "calendar", "from", "date", "structure"] {
        assert_eq!(told[0][part], whole[part], "{part}");
    }
}

//! What the service's unit lets the daemon reach: commands run outside of its sandbox and see more than the daemon does.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;

/// The unit's settings that matter here.
const PROPERTIES: &str =
    "--property=LoadState,DynamicUser,ProtectHome,ProtectSystem,PrivateTmp,ReadWritePaths,BindPaths,BindReadOnlyPaths";

/// How long systemd may take to say what it knows.
const PATIENCE: Duration = Duration::from_secs(2);

/// The daemon's own folders.
const OWN: [&str; 3] = ["/var/lib/shopsyncd", "/var/lib/private/shopsyncd", "/run/shopsyncd"];

/// The unit's rules with all drop-ins, as systemd knows them; of credentials as its files have them.
#[derive(Debug, Default)]
pub(super) struct Sandbox {
    own_user: bool,
    home: String,
    strict: bool,
    private_tmp: bool,
    writable: Vec<PathBuf>,
    bound: Vec<PathBuf>,
    /// `None`: nobody could say.
    credentials: Option<Credentials>,
}

/// What the unit's lines say of credentials.
#[derive(Debug, Default)]
struct Credentials {
    /// Of files and folders, by name; `None`: systemd looks for it, or the path is not told in so many words.
    loaded: BTreeMap<String, Option<PathBuf>>,
    /// That stand in the lines, and in for a file that is not there.
    set: BTreeSet<String>,
    /// There are others, which are not told by name.
    further: bool,
}

impl Sandbox {
    /// That of the unit on this machine; `None`: there is no such unit, or no systemd.
    pub(super) async fn of_unit() -> Option<Self> {
        let rules = systemctl(&["show", "shopsyncd.service", PROPERTIES]).await?;
        // Among the rules, systemd 252 does not print credentials.
        let lines = systemctl(&["cat", "shopsyncd.service"]).await;
        Self::parse(&rules, lines.as_deref())
    }

    /// From the properties that systemd tells, and from the unit's lines with those of its drop-ins.
    fn parse(said: &str, lines: Option<&str>) -> Option<Self> {
        let property = |name: &str| {
            said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default().to_owned()
        };
        let paths = |name: &str| -> Vec<PathBuf> {
            let bare = |path: &str| PathBuf::from(path.trim_start_matches(['-', '+']));
            property(name).split_whitespace().map(bare).collect()
        };
        // SOURCE:DESTINATION:OPTIONS, of which the first may be all.
        let destinations = |name: &str| -> Vec<PathBuf> {
            let destination = |bind: PathBuf| {
                let text = bind.to_string_lossy().into_owned();
                let mut parts = text.split(':');
                let source = parts.next().unwrap_or_default().to_owned();
                PathBuf::from(parts.next().filter(|part| part.starts_with('/')).unwrap_or(&source))
            };
            paths(name).into_iter().map(destination).collect()
        };
        (property("LoadState") == "loaded").then(|| Self {
            own_user: property("DynamicUser") == "yes",
            home: property("ProtectHome"),
            strict: property("ProtectSystem") == "strict",
            private_tmp: !matches!(property("PrivateTmp").as_str(), "" | "no"),
            writable: [paths("ReadWritePaths"), destinations("BindPaths")].concat(),
            bound: [destinations("BindPaths"), destinations("BindReadOnlyPaths")].concat(),
            credentials: lines.map(Credentials::parse),
        })
    }

    /// Why the service does not get a credential of this name, and what to do; `None`: it gets it.
    pub(super) fn withholds(&self, name: &str) -> Option<(String, String)> {
        let known = self.credentials.as_ref().filter(|known| !known.set.contains(name))?;
        match known.loaded.get(name) {
            Some(file) => {
                let file = file.as_ref().filter(|file| !file.exists())?.display();
                Some((
                    format!(
                        "credential `{name}` comes from {file}, which is not there: with these settings the service would not start"
                    ),
                    "write the secret there, or correct the unit with `systemctl edit shopsyncd`".to_owned(),
                ))
            }
            None if known.further || known.is_in_a_folder(name) => None,
            None => Some((
                format!("the service's unit hands no credential `{name}` over: with these settings it would not start"),
                format!("add `LoadCredential={name}:PATH` below `[Service]` with `systemctl edit shopsyncd`"),
            )),
        }
    }

    /// Whether the daemon, as a user of its own, is kept from reading a file of this mode that is somebody else's.
    pub(super) const fn shuts(&self, mode: u32) -> bool {
        self.own_user && mode & 0o004 == 0
    }

    /// Why the daemon cannot work with a file or folder that is named like this, and what to do; `None`: the unit does not keep it from
    /// that. `written`: it writes there.
    pub(super) fn refuses(&self, path: &Path, written: bool) -> Option<(String, String)> {
        let within = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
        let among = |folders: &[PathBuf]| folders.iter().any(|folder| path.starts_with(folder));
        let (home, tmp) = (within(&["/home", "/root", "/run/user"]), within(&["/tmp", "/var/tmp"]));
        let name = path.display();
        let elsewhere = "keep it elsewhere, for example below /srv".to_owned();
        if home && matches!(self.home.as_str(), "yes" | "tmpfs") && !among(&self.bound) {
            return Some((format!("the service's unit shuts the daemon out of {name} (`ProtectHome=`)"), elsewhere));
        }
        if tmp && self.private_tmp && !among(&self.bound) {
            let cause = format!("the daemon has a temporary folder of its own and does not see {name} (`PrivateTmp=`)");
            return Some((cause, elsewhere));
        }
        let shut = self.strict || (home && self.home == "read-only");
        if written && shut && !among(&self.writable) && !within(&OWN) {
            let folder = path.parent().unwrap_or(path).display();
            return Some((
                format!(
                    "the daemon is to write to {name}, and the service's unit lets it write in its own folders alone (`ProtectSystem=`)"
                ),
                format!(
                    "add `ReadWritePaths={folder}` below `[Service]` with `systemctl edit shopsyncd`, restart it, and let the daemon's user or group write there"
                ),
            ));
        }
        None
    }
}

impl Credentials {
    /// From a unit's lines with those of its drop-ins. A later line replaces an earlier one of the same name; one that names none takes back
    /// all of its kind.
    fn parse(lines: &str) -> Self {
        let mut known = Self::default();
        let lines = lines.replace("\\\n", " ");
        for (kind, value) in lines.lines().filter_map(|line| line.trim().split_once('=')) {
            let (name, place) = value.trim().split_once(':').unwrap_or((value.trim(), ""));
            let kind = kind.trim_end();
            match (kind.strip_suffix("Encrypted").unwrap_or(kind), name) {
                ("LoadCredential", "") => known.loaded.clear(),
                ("SetCredential", "") => known.set.clear(),
                // What `%` stands for systemd knows.
                ("LoadCredential" | "SetCredential", name) if name.contains('%') => known.further = true,
                ("LoadCredential", name) => {
                    let file = (place.starts_with('/') && !place.contains('%')).then(|| PathBuf::from(place));
                    known.loaded.insert(name.to_owned(), file);
                }
                ("SetCredential", name) => _ = known.set.insert(name.to_owned()),
                ("ImportCredential", _) => known.further = true,
                _ => {}
            }
        }
        known
    }

    /// Whether it is a file of a folder, of which each is handed over with the folder's name before its own.
    fn is_in_a_folder(&self, name: &str) -> bool {
        self.loaded.iter().any(|(folder, path)| {
            let file = name.strip_prefix(folder).and_then(|rest| rest.strip_prefix('_'));
            file.zip(path.as_ref()).is_some_and(|(file, path)| path.join(file).is_file())
        })
    }
}

/// What systemd answers, in text.
async fn systemctl(args: &[&str]) -> Option<String> {
    let mut command = Command::new("systemctl");
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let said = tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    String::from_utf8(said.stdout).ok().filter(|_| said.status.success())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// What systemd says of the unit as shipped, with these lines in a drop-in.
    fn unit(further: &str) -> Sandbox {
        let said = format!("ProtectHome=yes\nProtectSystem=strict\nPrivateTmp=yes\n{further}\nLoadState=loaded\n");
        Sandbox::parse(&said, None).unwrap()
    }

    #[test]
    fn what_the_unit_keeps_the_daemon_from_is_told_with_the_way_out() {
        let refusal = |unit: &Sandbox, path: &str, written: bool| {
            unit.refuses(Path::new(path), written).map_or_else(String::new, |(cause, _)| cause)
        };
        let shipped = unit("ReadWritePaths=\nBindPaths=");
        for (path, written, why) in [
            ("/home/anna/products.csv", false, "ProtectHome"),
            ("/root", false, "ProtectHome"),
            ("/tmp/products.csv", false, "PrivateTmp"),
            ("/srv/erp/products.csv", true, "ProtectSystem"),
            ("/srv/erp/products.csv", false, ""),
            ("/homely/products.csv", false, ""),
            ("/var/lib/shopsyncd/products.csv", true, ""),
        ] {
            let told = refusal(&shipped, path, written);
            assert!(told.contains(why) && told.is_empty() == why.is_empty(), "{path}: {told}");
        }
        let (_, remedy) = shipped.refuses(Path::new("/srv/erp/products.csv"), true).unwrap();
        assert!(remedy.contains("`ReadWritePaths=/srv/erp`"), "{remedy}");
        assert!(!shipped.shuts(0o600), "a user that is named may own the file");
        let shipped = unit("DynamicUser=yes");
        assert!(shipped.shuts(0o600) && shipped.shuts(0o640) && !shipped.shuts(0o644));
        let opened = unit("ReadWritePaths=-/srv/erp /srv/shop\nBindReadOnlyPaths=/home/anna/erp:/home/anna/erp:rbind");
        assert_eq!(refusal(&opened, "/srv/erp/products.csv", true), "");
        assert_eq!(refusal(&opened, "/home/anna/erp/products.csv", false), "");
        assert!(refusal(&opened, "/srv/other/products.csv", true).contains("ProtectSystem"));
        assert!(Sandbox::parse("LoadState=not-found\nProtectHome=no\n", None).is_none(), "there is no unit");
        assert!(Sandbox::parse("", None).is_none(), "there is no systemd");
    }

    #[test]
    fn a_credential_that_the_unit_does_not_hand_over_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        std::fs::write(&there, "secret").unwrap();
        let there = there.display();
        let lines = format!(
            "# /usr/lib/systemd/system/shopsyncd.service\n[Service]\n#LoadCredential=commented:/etc/x\n\
             LoadCredentialEncrypted=taken-back:/etc/x\nSetCredential=set: some text\n# a drop-in\nLoadCredential=\n\
             LoadCredential = seal-key:/nowhere/old\nLoadCredential=seal-key:{there}\nLoadCredential=broken:\\\n{there}\n\
             LoadCredentialEncrypted=token:/nowhere/token.cred\nLoadCredential=set:/nowhere/set\nLoadCredential=found\n\
             LoadCredential=of-systemd:/etc/%p/x\nLoadCredential=apps:{folder}\nLoadCredential=plain:{there}\n",
            folder = folder.path().display(),
        );
        let unit = |lines: &str| Sandbox::parse("LoadState=loaded\n", Some(lines)).unwrap();
        for given in ["seal-key", "broken", "set", "found", "of-systemd", "apps_there"] {
            assert_eq!(unit(&lines).withholds(given), None, "{given}");
        }
        let missing = ["commented", "taken-back", "seal", "seal-keys", "apps_elsewhere", "plain_there"];
        for missing in missing {
            let (cause, remedy) = unit(&lines).withholds(missing).unwrap();
            assert!(cause.contains("hands no credential"), "{cause}");
            assert!(remedy.contains(&format!("`LoadCredential={missing}:PATH`")), "{remedy}");
        }
        let (cause, _) = unit(&lines).withholds("token").unwrap();
        assert!(cause.contains("/nowhere/token.cred, which is not there"), "{cause}");
        // What cannot be told is not told.
        for further in ["ImportCredential=shopsyncd.*", "SetCredential=%p-key:x"] {
            let unit = unit(&format!("{lines}{further}\n"));
            assert_eq!(unit.withholds("commented"), None, "{further}");
            assert!(unit.withholds("token").is_some(), "{further}");
        }
        assert_eq!(Sandbox::parse("LoadState=loaded\n", None).unwrap().withholds("token"), None);
    }
}

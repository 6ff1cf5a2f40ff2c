//! What the service's unit lets the daemon reach: commands run outside of its sandbox and see more than the daemon does.

use std::{
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

/// The unit's rules, as systemd knows them with all drop-ins.
#[derive(Debug, Default)]
pub(super) struct Sandbox {
    own_user: bool,
    home: String,
    strict: bool,
    private_tmp: bool,
    writable: Vec<PathBuf>,
    bound: Vec<PathBuf>,
}

impl Sandbox {
    /// That of the unit on this machine; `None`: there is no such unit, or no systemd.
    pub(super) async fn of_unit() -> Option<Self> {
        let mut systemctl = Command::new("systemctl");
        systemctl.args(["show", "shopsyncd.service", PROPERTIES]).stdin(Stdio::null()).kill_on_drop(true);
        let said = tokio::time::timeout(PATIENCE, systemctl.output()).await.ok()?.ok()?;
        Self::parse(&String::from_utf8(said.stdout).ok()?)
    }

    fn parse(said: &str) -> Option<Self> {
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
        })
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// What systemd says of the unit as shipped, with these lines in a drop-in.
    fn unit(further: &str) -> Sandbox {
        let said = format!("ProtectHome=yes\nProtectSystem=strict\nPrivateTmp=yes\n{further}\nLoadState=loaded\n");
        Sandbox::parse(&said).unwrap()
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
        assert!(Sandbox::parse("LoadState=not-found\nProtectHome=no\n").is_none(), "there is no unit");
        assert!(Sandbox::parse("").is_none(), "there is no systemd");
    }
}

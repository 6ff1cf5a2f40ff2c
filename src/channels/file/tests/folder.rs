//! Folders that others fill: complete files only, and what becomes of old ones.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{clock::Clock, domain::Failure};

const HEADER: &str = "sku,title,price,currency,stock\n";

/// A folder, with a channel whose clock is moved by hand.
struct Inbox {
    folder: TempDir,
    clock: Clock,
    channel: FileChannel,
}

impl Inbox {
    fn new(more: &Value) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Clock::manual(Timestamp::now());
        let mut own = more.as_object().unwrap().clone();
        own.insert("path".to_owned(), json!(folder.path().join("*.csv")));
        let channel = FileChannel::new(Settings::read(&own).unwrap(), 3, clock.clone());
        Self { folder, clock, channel }
    }

    /// Writes a file of one product, this many minutes old.
    fn put(&self, name: &str, sku: &str, minutes_ago: u64) {
        let path = self.folder.path().join(name);
        fs::write(&path, format!("{HEADER}{sku},T,1,EUR,1\n")).unwrap();
        let then = SystemTime::now() - Duration::from_mins(minutes_ago);
        fs::File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
    }

    fn pull(&self) -> Result<Page, ChannelError> {
        self.channel.0.pull(&From { kind: PassKind::Full, cursor: None, first: true })
    }

    /// The SKUs that are read, or why nothing is.
    fn read(&self) -> String {
        let folder = format!("{}/", self.folder.path().display());
        match self.pull() {
            Ok(page) => page.listings.iter().map(|listing| listing.sku.to_string()).collect::<Vec<_>>().join(" "),
            Err(error) => error.text.replace(&folder, ""),
        }
    }

    fn wait(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// The files in the folder, and those in its archive without their times.
    fn names(&self) -> Vec<String> {
        let list = |path: &std::path::Path| -> Vec<String> {
            let entries = fs::read_dir(path).into_iter().flatten();
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
        };
        let archived = list(&self.folder.path().join("archive"));
        let archived = archived.iter().map(|name| format!("archive: {}", name.split_once('-').unwrap().1));
        let mut names: Vec<String> = list(self.folder.path()).into_iter().filter(|name| name != "archive").collect();
        names.extend(archived);
        names.sort();
        names
    }
}

#[test]
fn a_file_is_read_once_it_was_seen_to_stand_still() {
    let inbox = Inbox::new(&json!({ "settle": "5 seconds" }));
    inbox.put("a.csv", "A", 0);
    let error = inbox.pull().unwrap_err();
    assert_eq!(
        error.failure,
        Failure::Unavailable { retry_at: Some(inbox.clock.now() + SignedDuration::from_secs(5)) }
    );
    inbox.wait(4);
    fs::write(inbox.folder.path().join("a.csv"), format!("{HEADER}A,T,1,EUR,1\nB,T,1,EUR,1\n")).unwrap();
    inbox.wait(1);
    assert_eq!(inbox.read(), "a.csv: the file is still being written", "it has grown meanwhile");
    inbox.wait(5);
    assert_eq!(inbox.read(), "A B");
}

#[test]
fn the_time_of_the_original_and_clocks_that_differ_deceive_nobody() {
    let inbox = Inbox::new(&json!({ "settle": "5 seconds" }));
    // The upload kept the time of the original, which is a day old.
    inbox.put("a.csv", "A", 24 * 60);
    assert_eq!(inbox.read(), "a.csv: the file is still being written");
    // Our clock is two minutes ahead of the file's.
    inbox.wait(120);
    let ahead = Inbox::new(&json!({ "settle": "5 seconds" }));
    ahead.wait(120);
    ahead.put("a.csv", "A", 0);
    assert_eq!(ahead.read(), "a.csv: the file is still being written");
    // It is an hour behind.
    let behind = Inbox::new(&json!({ "settle": "5 seconds" }));
    behind.wait(-3600);
    behind.put("a.csv", "A", 0);
    assert_eq!(behind.read(), "a.csv: the file is still being written");
    behind.wait(5);
    assert_eq!(behind.read(), "A");
    // A clock that is set back while a file is watched starts the watch again.
    inbox.put("a.csv", "B", 0);
    inbox.read();
    inbox.wait(-1000);
    assert_eq!(inbox.read(), "a.csv: the file is still being written");
    inbox.wait(5);
    assert_eq!(inbox.read(), "B");
}

#[test]
fn a_file_that_is_deleted_before_the_new_one_gets_its_name_is_waited_for() {
    for counting in ["all", "newest"] {
        let inbox = Inbox::new(&json!({ "settle": "5 seconds", "files": counting }));
        inbox.put("a.csv", "A", 60);
        inbox.put("b.csv", "B", 30);
        inbox.read();
        inbox.wait(5);
        let both = if counting == "all" { "A B" } else { "B" };
        assert_eq!(inbox.read(), both);
        fs::remove_file(inbox.folder.path().join("b.csv")).unwrap();
        assert_eq!(inbox.read(), "b.csv: the file is being replaced", "{counting}");
        inbox.put("b.csv", "NEW", 0);
        assert_eq!(inbox.read(), "b.csv: the file is still being written");
        inbox.wait(5);
        assert_eq!(inbox.read(), both.replace('B', "NEW"), "{counting}");
        // One that stays away is gone.
        fs::remove_file(inbox.folder.path().join("b.csv")).unwrap();
        assert_eq!(inbox.read(), "b.csv: the file is being replaced", "{counting}");
        inbox.wait(5);
        if counting == "newest" {
            assert_eq!(inbox.read(), "a.csv: the file is still being written", "nobody looked at it before");
            inbox.wait(5);
        }
        assert_eq!(inbox.read(), "A", "{counting}");
    }
}

#[test]
fn an_upload_under_another_name_is_waited_for_while_it_grows() {
    let inbox = Inbox::new(&json!({ "settle": "5 seconds" }));
    inbox.put("a.csv", "A", 60);
    inbox.read();
    inbox.wait(5);
    assert_eq!(inbox.read(), "A");
    inbox.put("b.csv.part", "B", 0);
    assert_eq!(inbox.read(), "b.csv.part: the file is being replaced", "also after a restart, which knows no b.csv");
    inbox.wait(60);
    assert_eq!(inbox.read(), "b.csv.part: the file is being replaced");
    fs::rename(inbox.folder.path().join("b.csv.part"), inbox.folder.path().join("b.csv")).unwrap();
    inbox.read();
    inbox.wait(5);
    assert_eq!(inbox.read(), "A B");
    inbox.put("a.csv.part", "A", 0);
    assert_eq!(inbox.read(), "A B", "a.csv is there, whatever comes in its place");
    inbox.put("c.csv.part", "C", 0);
    assert_eq!(inbox.read(), "c.csv.part: the file is being replaced");
    inbox.wait(11 * 60);
    assert_eq!(inbox.read(), "A B", "one that does not grow any more was given up");
}

#[test]
fn a_file_that_has_stood_for_long_is_read_at_once() {
    let inbox = Inbox::new(&json!({}));
    inbox.put("a.csv", "A", 0);
    inbox.wait(11 * 60);
    assert_eq!(inbox.read(), "A");
}

#[test]
fn unfinished_uploads_are_left_out_by_name() {
    let inbox = Inbox::new(&json!({ "settle": "None" }));
    let path = inbox.folder.path().join("*");
    let channel = Shop::channel(&path, &json!({ "settle": "None" }), 9);
    let inbox = Inbox { channel, ..inbox };
    for name in ["b.csv.part", "c.csv.filepart", "d.csv.TMP", ".e.csv", "f.csv~", "g.csv.crdownload"] {
        inbox.put(name, name, 0);
    }
    inbox.put("a.csv", "A", 0);
    assert_eq!(inbox.read(), "A");
}

#[test]
fn a_marker_says_that_a_file_is_complete() {
    let inbox = Inbox::new(&json!({ "settle": "None", "marker": ".done" }));
    let mark = |name: &str| fs::write(inbox.folder.path().join(name), "").unwrap();
    inbox.put("a.csv", "A", 0);
    assert_eq!(inbox.read(), "a.csv: the file is not marked as complete by a newer a.csv.done");
    std::thread::sleep(Duration::from_millis(20));
    mark("a.csv.done");
    assert_eq!(inbox.read(), "A");
    std::thread::sleep(Duration::from_millis(20));
    inbox.put("a.csv", "B", 0);
    assert_eq!(inbox.read(), "a.csv: the file is not marked as complete by a newer a.csv.done");
    std::thread::sleep(Duration::from_millis(20));
    mark("a.done");
    assert_eq!(inbox.read(), "B", "either name will do");
}

#[test]
fn the_newest_file_counts_alone_and_is_waited_for() {
    let inbox = Inbox::new(&json!({ "files": "newest" }));
    inbox.put("b.csv", "OLD", 60);
    inbox.put("a.csv", "NEW", 30);
    inbox.wait(11 * 60);
    assert_eq!(inbox.read(), "NEW");
    inbox.put("c.csv", "NEWER", 0);
    inbox.clock.set(Timestamp::now());
    assert_eq!(inbox.read(), "c.csv: the file is still being written", "an older one does not stand in for it");
    inbox.wait(2);
    assert_eq!(inbox.read(), "NEWER");
}

#[tokio::test]
async fn files_that_a_newer_one_has_replaced_are_archived_after_its_import() {
    let inbox = Inbox::new(&json!({ "files": "newest", "after_import": "archive", "marker": ".ok", "settle": "None" }));
    let stored = async |page: &Page| crate::channels::Channel::stored(&inbox.channel, page.resume.as_ref()).await;
    inbox.put("mon.csv", "A", 60);
    fs::write(inbox.folder.path().join("mon.csv.ok"), "").unwrap();
    let monday = inbox.pull().unwrap();
    stored(&monday).await.unwrap();
    assert_eq!(inbox.names(), ["mon.csv", "mon.csv.ok"], "the newest stays, so that the shop never looks empty");
    inbox.put("tue.csv", "B", 30);
    fs::write(inbox.folder.path().join("tue.csv.ok"), "").unwrap();
    stored(&monday).await.unwrap();
    assert_eq!(inbox.names().len(), 4, "what is not imported yet puts nothing away");
    let tuesday = inbox.pull().unwrap();
    assert_eq!(inbox.names().len(), 4, "nor does what is read and not stored");
    stored(&tuesday).await.unwrap();
    let expected = ["archive: mon.csv", "archive: mon.csv.ok", "tue.csv", "tue.csv.ok"];
    assert_eq!(inbox.names(), expected);
    stored(&tuesday).await.unwrap();
    assert_eq!(inbox.names(), expected, "once is enough");
    assert_eq!(inbox.read(), "B");
}

#[test]
fn what_cannot_be_meant_is_said() {
    let faults = |own: Value| -> Vec<String> {
        let faults = Settings::read(own.as_object().unwrap()).unwrap_err();
        faults.into_iter().map(|fault| format!("{}: {}", fault.key, fault.cause)).collect()
    };
    assert_eq!(
        faults(json!({ "path": "/srv/*.csv", "after_import": "archive", "settle": "a while", "marker": "done" })),
        [
            "settle: `a while` is not a span of time",
            "marker: `done` is not the ending of a name",
            "after_import: every file counts, so one that was moved away would take its products off sale",
        ]
    );
    assert_eq!(
        faults(json!({ "path": "/srv/p.csv", "files": "newest" })),
        ["files: `path` names a single file, of which none is the newest"]
    );
}

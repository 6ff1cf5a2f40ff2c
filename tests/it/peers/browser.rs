//! Chromium, led by orders: what it sees of a page, and what it has against it.

use std::{env, fs, path::PathBuf, process::Stdio};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{file, is_installed, left_out};

/// What the browser is called on this and that system.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A browser with one page. It ends when dropped.
pub(super) struct Browser {
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// Where its pictures are.
    pub(super) pictures: PathBuf,
    _child: Child,
}

impl Browser {
    /// Starts it. Pictures go to a folder of this name. `None`: it is not installed.
    pub(super) fn start(name: &str) -> Option<Self> {
        let Some(program) = program() else {
            left_out("Chromium");
            return None;
        };
        if !is_installed("Chromium's driver puppeteer-core", "node_modules/puppeteer-core/package.json") {
            return None;
        }
        let pictures = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages").join(name);
        let _ = fs::remove_dir_all(&pictures);
        fs::create_dir_all(&pictures).unwrap();
        let mut command = Command::new("node");
        command.arg(file("pages.mjs")).arg(program).arg(&pictures);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Self { orders: child.stdin.take().unwrap(), answers, pictures, _child: child })
    }

    async fn order(&mut self, order: Value) -> Value {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        let answer = self.answers.next_line().await.unwrap().expect("the browser is gone");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"].is_null(), "{order}: {}", answer["error"].as_str().unwrap_or_default());
        answer
    }

    async fn page(&mut self, order: Value) -> Seen {
        let page = self.order(order).await;
        let text = |name: &str| page[name].as_str().unwrap().to_owned();
        Seen { url: text("url"), title: text("title"), text: text("text") }
    }

    /// Opens an address, which leads to a page with this heading.
    pub(super) async fn open(&mut self, url: &str, heading: &str) -> Seen {
        self.page(json!({ "do": "open", "url": url, "heading": heading })).await
    }

    /// Shows a text as a page.
    pub(super) async fn show(&mut self, html: &str, heading: &str) -> Seen {
        self.page(json!({ "do": "show", "html": html, "heading": heading })).await
    }

    /// Presses a button or a link; of several with the same words the one with this number.
    pub(super) async fn press(&mut self, button: &str, nth: usize, heading: &str) -> Seen {
        self.page(json!({ "do": "press", "button": button, "nth": nth, "heading": heading })).await
    }

    /// Types into a field.
    pub(super) async fn fill(&mut self, field: &str, text: &str, heading: &str) -> Seen {
        self.page(json!({ "do": "fill", "field": field, "text": text, "heading": heading })).await
    }

    /// Looks at the page narrow and wide, light and dark, and takes pictures: everything that is wrong with it.
    pub(super) async fn look(&mut self, name: &str) -> Vec<String> {
        let looked = self.order(json!({ "do": "look", "name": name })).await;
        looked["wrong"].as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
    }
}

/// What is seen of a page.
pub(super) struct Seen {
    pub(super) url: String,
    pub(super) title: String,
    pub(super) text: String,
}

fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<_> = env::split_paths(&path).collect();
    NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|program| program.exists())
}

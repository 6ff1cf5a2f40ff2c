//! The source tree, read as text: what tests of the house and of documents go by.

use std::{
    fs,
    path::{Path, PathBuf},
};

mod paths;

pub(crate) use paths::crate_paths;
use paths::{without_comments, without_tests};

/// A source file.
pub(crate) struct Source {
    /// Relative to the project's folder.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Without comments and tests.
    pub(crate) code: String,
}

impl Source {
    /// The top module it belongs to; `None` for `lib.rs` and `main.rs`.
    pub(crate) fn module(&self) -> Option<&str> {
        let first = self.path.strip_prefix("src/")?.split('/').next()?;
        let module = first.strip_suffix(".rs").unwrap_or(first);
        (module != "lib" && module != "main").then_some(module)
    }
}

/// The project's folder.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the project.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(project().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The Rust files below a folder, in the order of their names.
pub(crate) fn rust_files(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![project().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                let path = path.strip_prefix(project()).expect("below").to_string_lossy().into_owned();
                let code = without_comments(&text);
                found.push(Source { path, text, code });
            }
        }
    }
    let for_tests: Vec<String> = found.iter().flat_map(|source| test_modules(&source.path, &source.code)).collect();
    for source in &mut found {
        let for_tests = for_tests.iter().any(|module| {
            source.path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        });
        source.code = if for_tests { String::new() } else { without_tests(&source.code) };
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "{folder} has no source files");
    found
}

/// The modules in files of their own that this file declares for tests alone, as paths without ending.
fn test_modules(path: &str, code: &str) -> Vec<String> {
    let folder = path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs")).unwrap_or(path);
    let declared = code.split("#[cfg(test)]").skip(1).filter_map(|after| {
        let item = after.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("#["))?;
        let (_, name) = item.strip_suffix(';')?.rsplit_once("mod ")?;
        Some(format!("{folder}/{name}"))
    });
    declared.collect()
}

/// The program's source files.
pub(crate) fn sources() -> Vec<Source> {
    rust_files("src")
}

/// Fails in words, one line per fault.
#[track_caller]
pub(crate) fn no_faults(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n\n{}\n", faults.join("\n"));
}

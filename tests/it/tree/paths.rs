//! Which paths of the crate a source text names.

/// The text without comments, so that a sentence about a module is no use of it. Texts in quotes stay as they are.
pub(super) fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for line in text.lines() {
        let end = line.match_indices("//").map(|(at, _)| at).find(|at| !in_quotes(&line[..*at])).unwrap_or(line.len());
        code.push_str(&line[..end]);
        code.push('\n');
    }
    code
}

fn in_quotes(before: &str) -> bool {
    before.replace("\\\\", "").replace("\\\"", "").replace("'\"'", "").matches('"').count() % 2 == 1
}

/// The text up to its own `mod tests {`, which stands last in a file: tests may look anywhere.
pub(super) fn without_tests(code: &str) -> String {
    let end = code.find("\nmod tests {").unwrap_or(code.len());
    code[..end].to_owned()
}

/// Every path below `crate::` that the code names, cut to two segments: `store::Store`, `clock::Clock`, `domain::retry`.
pub(crate) fn crate_paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, start) in code.match_indices("crate::") {
        let begins_a_word = !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        if begins_a_word {
            expand("", &code[at + start.len()..], &mut found);
        }
    }
    for path in &mut found {
        let two: Vec<&str> = path.split("::").take(2).collect();
        *path = two.join("::");
    }
    found.sort();
    found.dedup();
    found
}

/// Writes out one tree of a `use`, such as `store::{Store, Tx}`, and returns what follows it.
fn expand<'text>(prefix: &str, tree: &'text str, found: &mut Vec<String>) -> &'text str {
    let tree = tree.trim_start();
    if let Some(mut rest) = tree.strip_prefix('{') {
        loop {
            rest = rest.trim_start().trim_start_matches(',').trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            let after = expand(prefix, rest, found);
            if after.len() == rest.len() {
                return after;
            }
            rest = after;
        }
    }
    let end = tree.find(|next: char| !next.is_alphanumeric() && next != '_' && next != '*').unwrap_or(tree.len());
    let (name, rest) = tree.split_at(end);
    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    if let Some(below) = rest.strip_prefix("::") {
        return expand(&path, below, found);
    }
    if !name.is_empty() {
        found.push(path.trim_end_matches("::self").to_owned());
    }
    // A new name, as in `Store as Rows`, says nothing about the path.
    match rest.strip_prefix(" as ") {
        Some(renamed) => renamed.trim_start_matches(|next: char| next.is_alphanumeric() || next == '_'),
        None => rest,
    }
}

#[test]
fn paths_are_read_from_trees_and_from_lines() {
    let code = "use crate::{\n    clock::Clock,\n    domain::{Failure, retry::{self, decide}},\n    http as web,\n};\n\
                fn f() { crate::store::wake(); mycrate::nothing(); }";
    let paths = crate_paths(code);
    assert_eq!(paths, ["clock::Clock", "domain::Failure", "domain::retry", "http", "store::wake"]);
}

#[test]
fn comments_and_tests_do_not_count() {
    let text = "let a = \"https://crate::x\"; // crate::store\n/// [`crate::web`]\nfn f() {}\n#[cfg(test)]\nmod tests {\nuse crate::jobs;\n}\n";
    let code = without_tests(&without_comments(text));
    assert_eq!(crate_paths(&code), ["x"]);
}

//! `man` and `completions`: what the command line says of itself.

use std::io;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use super::{Cli, Outcome, exit, print};
use crate::control::Refusal;

pub(super) fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "shopsyncd", &mut script);
    print::bytes(&script)
}

/// One page with every command and its options.
pub(super) fn man() -> Outcome {
    let page = page(Cli::command()).map_err(|error| Refusal::new(exit::FAILED, error.to_string()))?;
    print::bytes(&page)
}

fn page(mut cli: Command) -> io::Result<Vec<u8>> {
    cli.build();
    let mut page = Vec::new();
    let whole = Man::new(cli.clone());
    whole.render_title(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    whole.render_options_section(&mut page)?;
    page.extend(b".SH COMMANDS\n");
    commands(&cli, &mut page)?;
    whole.render_version_section(&mut page)?;
    Ok(page)
}

/// Those that have none below themselves, each with its own options.
fn commands(above: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    for command in above.get_subcommands().filter(|command| command.get_name() != "help") {
        if command.has_subcommands() {
            commands(command, page)?;
            continue;
        }
        // Options that every command has are told once, above.
        let own = command.clone().mut_args(|argument| {
            let every = ["config", "json", "help"].contains(&argument.get_id().as_str());
            argument.hide(every)
        });
        let man = Man::new(own);
        let mut parts = Vec::new();
        man.render_synopsis_section(&mut parts)?;
        man.render_description_section(&mut parts)?;
        man.render_options_section(&mut parts)?;
        let title = command.get_bin_name().unwrap_or_default().trim_start_matches("shopsyncd ");
        page.extend(format!(".SS \"{title}\"\n").bytes());
        // Within a command's part its sections are paragraphs.
        let parts = String::from_utf8_lossy(&parts);
        let headings = [".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS"];
        for line in parts.lines() {
            page.extend(if headings.contains(&line) { ".PP" } else { line }.bytes());
            page.push(b'\n');
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_manual_page_tells_every_option_of_every_command_and_names_no_other_page() {
        let page = String::from_utf8(page(Cli::command()).unwrap()).unwrap();
        assert!(page.contains(".SS \"jobs run\""), "{page}");
        for said in ["release\\-guard", "dry\\-run", "limit", "Demand", "product_import", "The shop"] {
            assert!(page.contains(said) || page.contains(&said.to_lowercase()), "{said}: {page}");
        }
        assert!(!page.contains("shopsyncd\\-run"), "a page of its own that nobody has: {page}");
        assert_eq!(page.matches("Answer in JSON").count(), 1, "what every command takes is told once: {page}");
    }

    #[test]
    fn shells_complete_the_names_of_jobs() {
        let mut script = Vec::new();
        clap_complete::generate(clap_complete::Shell::Bash, &mut Cli::command(), "shopsyncd", &mut script);
        assert!(String::from_utf8(script).unwrap().contains("product_import product_export"));
    }
}

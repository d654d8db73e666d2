//! Manual pages.
//!
//! `clap_mangen` renders declarations; `service.roff` describes the running server.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::io;

/// The sections about the running server.
const SERVICE: &str = include_str!("service.roff");
const MANUAL: &str = "webpush-server";

/// Returns the page of the program, with the list of commands.
pub(crate) fn for_program(program: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(program.clone());
    let mut page = title(program);
    man.render_name_section(&mut page)?;
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]);
    synopsis.text([bold(program.get_name()), roman(" [OPTIONS]")]).control("br", []);
    synopsis.text([bold(program.get_name()), roman(" COMMAND …")]);
    synopsis.to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    commands(program).to_writer(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend_from_slice(SERVICE.as_bytes());
    Ok(spaced(&page))
}

/// Returns the page of a command, with a section for each subcommand.
pub(crate) fn for_command(program: &Command, command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone());
    let mut page = title(command);
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for subcommand in visible(command) {
        add_subcommand(program, subcommand, &mut page)?;
    }
    after_help(command).to_writer(&mut page)?;
    let mut see_also = Roff::new();
    see_also.control("SH", ["SEE ALSO"]).text([bold("webpush-server"), roman("(1)")]);
    see_also.to_writer(&mut page)?;
    Ok(spaced(&page))
}

fn add_subcommand(program: &Command, command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    // The flags of serve have a page of their own.
    let serves =
        |id: &clap::Id| program.get_arguments().any(|arg| arg.get_id() == id && arg.get_env().is_some());
    let is_flag_of_serve = |arg: &clap::Arg| arg.get_env().is_some() && serves(arg.get_id());
    let takes_them = command.get_arguments().any(is_flag_of_serve);
    let own = command.clone().mut_args(|arg| if is_flag_of_serve(&arg) { arg.hide(true) } else { arg });

    let mut title = Roff::new();
    title.control("SH", [command.get_name().to_uppercase().as_str()]);
    title.to_writer(page)?;
    without_heading(page, |page| Man::new(own.clone()).render_synopsis_section(page))?;
    page.extend_from_slice(b".PP\n");
    without_heading(page, |page| Man::new(own.clone()).render_description_section(page))?;
    if takes_them {
        page.extend_from_slice(b".PP\nTakes the options of \\fBwebpush\\-server\\-serve\\fR(1).\n");
    }
    without_heading(page, |page| Man::new(own.clone()).render_options_section(page))?;
    after_help(command).to_writer(page)
}

/// Appends a section of `clap_mangen` without its heading.
fn without_heading(
    page: &mut Vec<u8>,
    render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    let mut section = Vec::new();
    render(&mut section)?;
    for line in section.split_inclusive(|byte| *byte == b'\n').filter(|line| !line.starts_with(b".SH ")) {
        page.extend_from_slice(line);
    }
    Ok(())
}

/// Replaces the line breaks that `clap_mangen` puts around empty lines with vertical space.
fn spaced(page: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(page).replace("\n.br\n\n.br\n", "\n.sp\n").into_bytes()
}

/// Returns the visible commands, without `help`.
pub(crate) fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set() && subcommand.get_name() != "help")
}

/// Returns the title line. `clap_mangen` omits the empty date, which shifts the fields after it.
fn title(command: &Command) -> Vec<u8> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).replace('-', "\\-");
    let version = env!("CARGO_PKG_VERSION");
    format!(".TH {name} 1 \"\" \"webpush\\-server {version}\" \"{MANUAL}\"\n").into_bytes()
}

fn commands(program: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for command in visible(program) {
        roff.control("TP", []);
        roff.text([bold(format!("{}-{}", program.get_name(), command.get_name())), roman("(1)")]);
        roff.text([roman(command.get_about().map(ToString::to_string).unwrap_or_default())]);
    }
    roff
}

/// Renders the end of the help text: headings, each followed by verbatim lines.
fn after_help(command: &Command) -> Roff {
    let mut roff = Roff::new();
    let text = command.get_after_long_help().or_else(|| command.get_after_help());
    let text = text.map(ToString::to_string).unwrap_or_default();
    let mut is_verbatim = false;
    for line in text.lines() {
        let heading = line.strip_suffix(':').filter(|heading| !heading.is_empty() && !line.starts_with(' '));
        if let Some(heading) = heading {
            if is_verbatim {
                roff.control("fi", []);
            }
            roff.control("SH", [heading.to_uppercase().as_str()]).control("nf", []);
            is_verbatim = true;
        } else if line.is_empty() {
            roff.control("sp", []);
        } else {
            roff.text([roman(line)]);
        }
    }
    if is_verbatim {
        roff.control("fi", []);
    }
    roff
}

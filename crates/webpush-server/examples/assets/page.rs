//! Pages of the manual. What is declared is written by `clap_mangen`; what concerns the running service is written by hand, in
//! `service.roff`.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::io;

/// The parts of the page that no declaration holds.
const SERVICE: &str = include_str!("service.roff");
const MANUAL: &str = "webpush-server";

/// The page of the program: how it serves, with every setting, and which verbs there are.
pub(crate) fn of_the_program(program: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(program.clone());
    let mut page = title(program);
    man.render_name_section(&mut page)?;
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]);
    synopsis.text([bold(program.get_name()), roman(" [OPTIONS]")]).control("br", []);
    synopsis.text([bold(program.get_name()), roman(" COMMAND …")]);
    synopsis.to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    verbs(program).to_writer(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend_from_slice(SERVICE.as_bytes());
    Ok(spaced(&page))
}

/// The page of a verb. Those below it have a part of it each.
pub(crate) fn of_a_verb(program: &Command, verb: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(verb.clone());
    let mut page = title(verb);
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for below in visible(verb) {
        of_a_verb_below(program, below, &mut page)?;
    }
    after_help(verb).to_writer(&mut page)?;
    let mut see_also = Roff::new();
    see_also.control("SH", ["SEE ALSO"]).text([bold("webpush-server"), roman("(1)")]);
    see_also.to_writer(&mut page)?;
    Ok(spaced(&page))
}

fn of_a_verb_below(program: &Command, verb: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    // The flags of serving have their page.
    let serves =
        |id: &clap::Id| program.get_arguments().any(|arg| arg.get_id() == id && arg.get_env().is_some());
    let is_of_serving = |arg: &clap::Arg| arg.get_env().is_some() && serves(arg.get_id());
    let takes_them = verb.get_arguments().any(is_of_serving);
    let own = verb.clone().mut_args(|arg| if is_of_serving(&arg) { arg.hide(true) } else { arg });

    let mut title = Roff::new();
    title.control("SH", [verb.get_name().to_uppercase().as_str()]);
    title.to_writer(page)?;
    without_heading(page, |page| Man::new(own.clone()).render_synopsis_section(page))?;
    page.extend_from_slice(b".PP\n");
    without_heading(page, |page| Man::new(own.clone()).render_description_section(page))?;
    if takes_them {
        page.extend_from_slice(b".PP\nIt takes the options of \\fBwebpush\\-server\\-serve\\fR(1).\n");
    }
    without_heading(page, |page| Man::new(own.clone()).render_options_section(page))?;
    after_help(verb).to_writer(page)
}

/// A section of `clap_mangen` as a part of another.
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

/// `clap_mangen` breaks the line around an empty one, which is no way to make room.
fn spaced(page: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(page).replace("\n.br\n\n.br\n", "\n.sp\n").into_bytes()
}

/// The verbs that help shows; it is none itself.
pub(crate) fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
}

/// The title line. `clap_mangen` would leave the empty date out, and shift what follows.
fn title(command: &Command) -> Vec<u8> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).replace('-', "\\-");
    let version = env!("CARGO_PKG_VERSION");
    format!(".TH {name} 1 \"\" \"webpush\\-server {version}\" \"{MANUAL}\"\n").into_bytes()
}

fn verbs(program: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for verb in visible(program) {
        roff.control("TP", []);
        roff.text([bold(format!("{}-{}", program.get_name(), verb.get_name())), roman("(1)")]);
        roff.text([roman(verb.get_about().map(ToString::to_string).unwrap_or_default())]);
    }
    roff
}

/// What help says at its end, line by line as it stands there: headings, then text with an indent.
fn after_help(verb: &Command) -> Roff {
    let mut roff = Roff::new();
    let text = verb.get_after_long_help().or_else(|| verb.get_after_help());
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

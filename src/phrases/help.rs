//! The help of the command line in German. The English help is where the commands are declared.

use fluent_bundle::{FluentArgs, FluentValue};

use super::fluent_files::Sentences;
use crate::model::Language;

static GERMAN: Sentences = Sentences::new(Language::German, include_str!("help.de.ftl"));

/// The German help of this name, with its values filled in; none if there is no such help.
pub fn german_help(id: &str, values: &[(&'static str, &str)]) -> Option<String> {
    let bundle = GERMAN.bundle();
    let pattern = bundle.get_message(id)?.value()?;
    let value =
        |(name, text): &(&'static str, &str)| (*name, FluentValue::from((*text).to_owned()));
    let args: FluentArgs<'static> = values.iter().map(value).collect();
    let mut errors = Vec::new();
    let text = bundle.format_pattern(pattern, Some(&args), &mut errors).into_owned();
    errors.is_empty().then_some(text)
}

/// The placeholders for values, `'static` as clap needs them. The others are the same word in German.
const PLACEHOLDERS: [(&str, &str); 3] =
    [("FILE", "DATEI"), ("LANGUAGE", "SPRACHE"), ("USER", "BENUTZER")];

/// The German placeholder for a command.
pub const COMMAND_PLACEHOLDER: &str = "BEFEHL";

/// The German placeholder for all options.
pub const OPTIONS_PLACEHOLDER: &str = "[OPTIONEN]";

/// The German placeholder for a value, if it is another word.
pub fn german_placeholder(name: &str) -> Option<&'static str> {
    PLACEHOLDERS.iter().find(|(english, _)| *english == name).map(|(_, german)| *german)
}

/// The names of all help texts.
pub fn german_help_ids() -> impl Iterator<Item = &'static str> {
    let is_id = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
    GERMAN.source.lines().filter(is_id).filter_map(|line| Some(line.split_once(" =")?.0))
}

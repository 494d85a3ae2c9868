//! The help of the command line in German. In English it stands where the commands are declared.

use fluent_bundle::{FluentArgs, FluentValue};

use super::Sentences;
use crate::model::Language;

static GERMAN: Sentences = Sentences::new(Language::German, include_str!("help.de.ftl"));

/// The German help of this name, with what stands in it; none where there is no such help.
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

/// What stands for a value, as clap needs it: for ever. The others are the same word in German.
const PLACEHOLDERS: [(&str, &str); 3] =
    [("FILE", "DATEI"), ("LANGUAGE", "SPRACHE"), ("USER", "BENUTZER")];

/// What stands for a command in German.
pub const COMMAND_PLACEHOLDER: &str = "BEFEHL";

/// What stands for all options in German.
pub const OPTIONS_PLACEHOLDER: &str = "[OPTIONEN]";

/// What stands for a value in German, where that is another word.
pub fn german_placeholder(name: &str) -> Option<&'static str> {
    PLACEHOLDERS.iter().find(|(english, _)| *english == name).map(|(_, german)| *german)
}

/// The name of every help there is.
pub fn german_help_ids() -> impl Iterator<Item = &'static str> {
    let is_id = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
    GERMAN.source.lines().filter(is_id).filter_map(|line| Some(line.split_once(" =")?.0))
}

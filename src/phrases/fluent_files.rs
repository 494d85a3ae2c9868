//! The files of sentences, one row for each language, and a sentence out of them.

use std::sync::OnceLock;

use fluent_bundle::{FluentArgs, FluentResource, concurrent::FluentBundle};
use unic_langid::LanguageIdentifier;

use crate::model::Language;

/// What a sentence says, and what is wrong with it: nothing, if it is in the file and filled.
pub(super) fn text_or_errors(
    of: &[Sentences],
    language: Language,
    id: &str,
    args: &FluentArgs<'static>,
) -> (String, Vec<String>) {
    let Some(bundle) = of.iter().find(|of| of.language == language).map(Sentences::bundle) else {
        return (id.to_owned(), vec![format!("there are no sentences in {}", language.word())]);
    };
    let Some(pattern) = bundle.get_message(id).and_then(|message| message.value()) else {
        return (id.to_owned(), vec![format!("{id} is missing")]);
    };
    let mut errors = Vec::new();
    let text = bundle.format_pattern(pattern, Some(args), &mut errors).into_owned();
    (text, errors.iter().map(ToString::to_string).collect())
}

/// A file of sentences. It is parsed when the first of them is said: a gateway says few of most files.
pub(super) struct Sentences {
    pub(super) language: Language,
    pub(super) source: &'static str,
    parsed: OnceLock<FluentBundle<FluentResource>>,
}

/// What rooms are told, one row for each language.
pub(super) static FOR_ROOMS: [Sentences; Language::ALL.len()] = [
    Sentences::new(
        Language::German,
        concat!(
            include_str!("de.ftl"),
            include_str!("fax.de.ftl"),
            include_str!("moves.de.ftl"),
            include_str!("matters.de.ftl"),
            include_str!("names.de.ftl"),
            include_str!("reading.de.ftl"),
            include_str!("rights.de.ftl"),
            include_str!("starting.de.ftl"),
        ),
    ),
    Sentences::new(
        Language::English,
        concat!(
            include_str!("en.ftl"),
            include_str!("fax.en.ftl"),
            include_str!("moves.en.ftl"),
            include_str!("matters.en.ftl"),
            include_str!("names.en.ftl"),
            include_str!("reading.en.ftl"),
            include_str!("rights.en.ftl"),
            include_str!("starting.en.ftl"),
        ),
    ),
];

/// What admins are told, one row for each language.
pub(super) static FOR_ADMINS: [Sentences; Language::ALL.len()] = [
    Sentences::new(Language::German, include_str!("admin.de.ftl")),
    Sentences::new(Language::English, include_str!("admin.en.ftl")),
];

impl Sentences {
    pub(super) const fn new(language: Language, source: &'static str) -> Self {
        Self { language, source, parsed: OnceLock::new() }
    }

    /// What is wrong in the file shows as missing sentences, and in the tests.
    pub(super) fn bundle(&self) -> &FluentBundle<FluentResource> {
        self.parsed.get_or_init(|| {
            // It chooses the plural rules; both words are well-formed.
            let locale = self.language.word().parse::<LanguageIdentifier>().unwrap_or_default();
            let mut bundle = FluentBundle::new_concurrent(vec![locale]);
            // Marks around inserted texts would end up in mails and file names.
            bundle.set_use_isolating(false);
            let resource = match FluentResource::try_new(self.source.to_owned()) {
                Ok(resource) => resource,
                Err((readable, _)) => readable,
            };
            bundle.add_resource_overriding(resource);
            bundle
        })
    }
}

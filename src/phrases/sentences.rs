//! Makes an enum of sentences from a list: the name of each, what it needs to know, and its id in the
//! files of sentences.

use fluent_bundle::{FluentArgs, FluentValue};

use crate::model::Language;

/// Longest text of foreign origin within a sentence for an admin, in characters: an error of a library,
/// or the keys that are allowed in a section.
const FOREIGN_TEXT_MAX: usize = 1_000;

/// A sentence that may be part of another one.
pub(super) trait Sentence {
    fn say(&self, language: Language) -> String;
}

/// What may be part of a sentence.
pub(super) trait Inserted {
    fn inserted(&self, language: Language) -> FluentValue<'static>;
}

/// On one line, and otherwise unchanged: it may be the path of a file.
impl Inserted for String {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        let mut text: String = self.chars().take(FOREIGN_TEXT_MAX).map(shown).collect();
        if self.chars().nth(FOREIGN_TEXT_MAX).is_some() {
            text.push('…');
        }
        FluentValue::from(text)
    }
}

/// It chooses between singular and plural.
impl Inserted for u64 {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        FluentValue::from(*self)
    }
}

impl<S: Sentence> Inserted for Box<S> {
    fn inserted(&self, language: Language) -> FluentValue<'static> {
        FluentValue::from(self.say(language))
    }
}

impl<S: Sentence> Inserted for Vec<S> {
    fn inserted(&self, language: Language) -> FluentValue<'static> {
        FluentValue::from(joined(self, ", ", language))
    }
}

/// Sentences below each other, indented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackedSentences<S>(pub(super) Vec<S>);

impl<S: Sentence> Inserted for StackedSentences<S> {
    fn inserted(&self, language: Language) -> FluentValue<'static> {
        FluentValue::from(joined(&self.0, "\n  ", language))
    }
}

/// Sentences below each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentenceLines<S>(pub(super) Vec<S>);

impl<S: Sentence> Inserted for SentenceLines<S> {
    fn inserted(&self, language: Language) -> FluentValue<'static> {
        FluentValue::from(joined(&self.0, "\n", language))
    }
}

fn joined<S: Sentence>(sentences: &[S], between: &str, language: Language) -> String {
    sentences.iter().map(|one| one.say(language)).collect::<Vec<_>>().join(between)
}

/// The values that a sentence of a list is filled with.
pub(super) fn filled<const N: usize>(
    values: [(&'static str, FluentValue<'static>); N],
) -> FluentArgs<'static> {
    values.into_iter().collect()
}

/// An enum with one variant for each sentence: `Name { field: Type } = "id"`. In the files a field
/// stands as `{ $field }`.
macro_rules! sentences {
    ($(#[$meta:meta])* pub enum $enum:ident {
        $($(#[$doc:meta])* $name:ident $({ $($field:ident: $type:ty),+ $(,)? })? = $id:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $enum {
            $($(#[$doc])* $name $({ $($field: $type),+ })?,)+
        }

        impl $enum {
            pub(super) fn id_and_args(
                &self,
                language: Language,
            ) -> (&'static str, FluentArgs<'static>) {
                match self {
                    $(Self::$name $({ $($field),+ })? => {
                        ($id, filled([$($((stringify!($field), $field.inserted(language))),+)?]))
                    })+
                }
            }

            /// One of each.
            #[cfg(test)]
            pub(super) fn one_of_each() -> Vec<Self> {
                vec![$(Self::$name $({ $($field: <$type as Sample>::sample()),+ })?),+]
            }
        }
    };
}
pub(super) use sentences;

/// The value in a sentence when a test says it.
#[cfg(test)]
pub(super) trait Sample {
    fn sample() -> Self;
}

#[cfg(test)]
impl Sample for String {
    fn sample() -> Self {
        "Ein Text".to_owned()
    }
}

#[cfg(test)]
impl Sample for u64 {
    fn sample() -> Self {
        3
    }
}

#[cfg(test)]
impl<S: Sample> Sample for Vec<S> {
    fn sample() -> Self {
        vec![S::sample(), S::sample()]
    }
}

#[cfg(test)]
impl<S: Sample> Sample for StackedSentences<S> {
    fn sample() -> Self {
        Self(Sample::sample())
    }
}

#[cfg(test)]
impl<S: Sample> Sample for SentenceLines<S> {
    fn sample() -> Self {
        Self(Sample::sample())
    }
}

#[cfg(test)]
impl<S: Sample> Sample for Box<S> {
    fn sample() -> Self {
        Box::new(S::sample())
    }
}

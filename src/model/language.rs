//! The languages in which people are addressed.

/// A language the gateway speaks. Practices are German, many who run it are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    #[default]
    German,
    English,
}

impl Language {
    /// Every language, the default first.
    pub const ALL: [Self; 2] = [Self::German, Self::English];

    /// The word for it in settings (ISO 639-1).
    pub fn word(self) -> &'static str {
        match self {
            Self::German => "de",
            Self::English => "en",
        }
    }

    /// The inverse of [`Language::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.word() == word)
    }

    /// The language of a user whose environment says this, in the form of POSIX: `de_DE.UTF-8`. A
    /// language we do not speak is English, and so is none (`C`, `POSIX`).
    pub fn of_locale(locale: &str) -> Self {
        let word = locale.split(['_', '.', '@', '-']).next().unwrap_or_default();
        Self::from_word(&word.to_ascii_lowercase()).unwrap_or(Self::English)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_german_or_it_is_english() {
        for german in ["de", "de_DE", "de_DE.UTF-8", "de_AT@euro", "de-CH", "DE"] {
            assert_eq!(Language::of_locale(german), Language::German, "{german}");
        }
        for english in ["", "C", "C.UTF-8", "POSIX", "en_GB.UTF-8", "fr_FR", "den_XX"] {
            assert_eq!(Language::of_locale(english), Language::English, "{english}");
        }
    }
}

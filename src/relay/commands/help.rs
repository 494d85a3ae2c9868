//! `!hilfe`: which commands there are.

use crate::phrases::Phrase;

pub(super) fn run() -> Phrase {
    Phrase::CommandsHelp
}

//! The row of `umstieg check` about the program that reads faxes.

use super::check::Finding;
use crate::{config::Settings, phrases::FaxAdminPhrase, sandbox::PageReader};

/// Whether the program that reads faxes is there, with its models; nothing where no channel wants it.
pub(super) async fn probe(settings: &Settings) -> Option<Finding> {
    let is_wanted = settings.channels.iter().any(|own| own.channel.reads_faxes());
    is_wanted.then_some(())?;
    Some(look(&PageReader::default()).await)
}

/// Faxes come without it as well, so that nothing about it keeps the gateway from running.
async fn look(reader: &PageReader) -> Finding {
    let what = FaxAdminPhrase::TriedPageReader.into();
    let install = FaxAdminPhrase::InstallPageReader;
    match reader.missing().await {
        Ok(missing) if missing.is_empty() => Finding::ok(what, FaxAdminPhrase::PageReaderReady),
        Ok(missing) => {
            let models = missing.join(", ");
            Finding::warn(what, FaxAdminPhrase::PageReaderLacks { models }, install)
        }
        Err(_) => Finding::warn(what, FaxAdminPhrase::PageReaderAway, install),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::check::FindingState;

    #[tokio::test]
    async fn fax_10_a_missing_program_is_a_note_and_no_failure() {
        let finding = look(&PageReader::of("/proc/self/exe", "/nowhere/tesseract")).await;
        assert_eq!(finding.state, FindingState::Warn);
        assert_eq!(finding.detail, FaxAdminPhrase::PageReaderAway.into());
    }
}

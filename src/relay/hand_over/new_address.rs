//! The first mail to an address that its channel has never written to or heard from: it waits until a person
//! has confirmed the address.

use tracing::info;

use super::DispatchCase;
use crate::{
    model::{ChannelKind, Correspondent},
    phrases::{Phrase, StartPhrase},
    relay::notices::notice_about,
    rules::starting::needs_confirmation,
    store::{Composition, StoreError, StoredDispatch},
};

impl DispatchCase<'_> {
    /// Whether a mail may go to its address now. If a person has to confirm it first, the dispatch waits.
    pub(super) async fn may_go_there(
        &self,
        dispatch: &StoredDispatch,
        composed: &Composition,
    ) -> Result<bool, StoreError> {
        let Correspondent::Mail(address) = self.correspondent else { return Ok(true) };
        // Faxes have previews.
        if self.line.channel.kind() != ChannelKind::Kim {
            return Ok(true);
        }
        let store = &self.ctx.store;
        let facts = store.address_of_started(self.conversation.id).await?;
        if !facts.is_some_and(needs_confirmation) {
            return Ok(true);
        }
        let address = address.as_str().to_owned();
        let phrase = Phrase::OfStart(StartPhrase::Waits { address });
        let notice = notice_about(self.line, &phrase, dispatch.first_event.as_deref());
        let became = store.wait_for_address(dispatch, composed, &notice).await?;
        info!(dispatch.id = %dispatch.id, "Dispatch {} waits for its address to be confirmed: {became:?}", dispatch.id);
        Ok(false)
    }
}

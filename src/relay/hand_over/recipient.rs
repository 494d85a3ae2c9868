//! Whom a dispatch goes to, and what the directory says of that address.

use super::DispatchCase;
use crate::{
    model::{AddressStanding, Correspondent},
    phrases::Phrase,
    relay::{directory, notices::notice_about},
    store::{StoreError, StoredDispatch},
};

impl DispatchCase<'_> {
    /// The correspondent, or whom a letter wanted its answer to go to.
    pub(super) fn addressee(&self, dispatch: &StoredDispatch) -> Correspondent {
        match &dispatch.answer_to {
            Some(elsewhere) => Correspondent::Mail(elsewhere.clone()),
            None => self.correspondent.clone(),
        }
    }

    /// What the directory says of the address (KIM-35). That it has vanished from there is told, and holds
    /// up nothing: the Clientmodul looks itself.
    pub(super) async fn standing(
        &self,
        dispatch: &StoredDispatch,
    ) -> Result<AddressStanding, StoreError> {
        let Correspondent::Mail(address) = self.addressee(dispatch) else {
            return Ok(AddressStanding::Unasked);
        };
        let standing = directory::standing(self.ctx, self.line, &address).await?;
        if standing == (AddressStanding::Unlisted { vanished: true }) {
            let first = dispatch.first_event.as_deref();
            let notice = notice_about(self.line, &Phrase::AddressVanished, first);
            self.ctx.store.tell_vanished(self.conversation.id, &address, &notice).await?;
        }
        Ok(standing)
    }
}

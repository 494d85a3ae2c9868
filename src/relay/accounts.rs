//! What keeps the gateway out of an account, told to the team of its channel (KIM-6).

use tracing::{info, warn};

use super::{Ctx, Line, notices::notice};
use crate::{
    model::{AccountSide, AccountTrouble, ChannelKind},
    phrases::Phrase,
    rules::accounts::{AccountNews, AccountSight},
    store::StoreError,
};

/// Notes what an attempt to use an account showed, and tells the team what is new.
pub async fn note_account(
    ctx: &Ctx,
    line: &Line,
    side: AccountSide,
    sight: AccountSight,
) -> Result<(), StoreError> {
    let channel = &line.channel;
    show(line, side, sight);
    let say = |news| {
        notice(
            line,
            &match news {
                AccountNews::Trouble(_) if side == AccountSide::Scanner => Phrase::ScannerAway,
                AccountNews::Works if side == AccountSide::Scanner => Phrase::ScannerWorks,
                AccountNews::Trouble(trouble) => {
                    let is_kim = channel.kind() == ChannelKind::Kim;
                    Phrase::AccountTrouble { side, trouble, is_kim }
                }
                AccountNews::Works => Phrase::AccountWorks { side },
            },
        )
    };
    let whose = (&channel.name, channel.kind());
    let told = ctx.store.note_account(whose, side, sight, say, ctx.clock.now()).await?;
    match told {
        Some(AccountNews::Trouble(trouble)) => {
            warn!(channel.name = %channel.name, side = side.word(), trouble = trouble.word(), "Told the team that an account cannot be used");
        }
        Some(AccountNews::Works) => {
            info!(channel.name = %channel.name, side = side.word(), "Told the team that an account can be used again");
        }
        None => {}
    }
    Ok(())
}

fn show(line: &Line, side: AccountSide, sight: AccountSight) {
    for trouble in AccountTrouble::ALL {
        let is_met = sight == AccountSight::Trouble(trouble);
        metrics::gauge!("umstieg_account_trouble", "channel" => line.channel.name.to_string(),
            "side" => side.word(), "trouble" => trouble.word())
        .set(if is_met { 1.0 } else { 0.0 });
    }
}

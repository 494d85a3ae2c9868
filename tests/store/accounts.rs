//! What the team is told of its channel's accounts, and whether reports were agreed on.

use serde_json::json;
use time::OffsetDateTime;

use umstieg::{
    model::{AccountSide, AccountTrouble, ChannelKind, Notice, Substance},
    rules::accounts::{AccountNews, AccountSight},
    store::StoreError,
};

use crate::tables::{NOW, StoreTables, after, name, notice};

const LOGIN: AccountSight = AccountSight::Trouble(AccountTrouble::Login);
const WORKS: AccountSight = AccountSight::Works;
const TOLD: Option<AccountNews> = Some(AccountNews::Trouble(AccountTrouble::Login));

fn say(news: AccountNews) -> Notice {
    Notice { substance: Substance::Word, content: json!({ "body": format!("{news:?}") }) }
}

impl StoreTables {
    async fn sees(
        &self,
        channel: &str,
        side: AccountSide,
        sight: AccountSight,
        at: OffsetDateTime,
    ) -> Result<Option<AccountNews>, StoreError> {
        let whose = (&name(channel), ChannelKind::Kim);
        self.store.note_account(whose, side, sight, say, at).await
    }
}

/// KIM-6: the notice, what was told, and the room for it are one step.
#[tokio::test]
async fn kim_6_a_trouble_is_told_in_one_step_and_once() {
    let tables = StoreTables::new().await;
    let inbox = AccountSide::Inbox;
    tables.unchanged(tables.sees("kim", inbox, WORKS, NOW)).await;
    tables.all_or_nothing(async || tables.sees("kim", inbox, LOGIN, NOW).await).await;
    let room = tables.sql("select conversation_id from channel_notices").await;
    assert_eq!(tables.jobs().await, format!("send_posts {room}"));
    // As often as it is seen, and after a restart, which knows only the tables.
    for seconds in [0, 60, 7200] {
        let again = tables.unchanged(tables.sees("kim", inbox, LOGIN, after(seconds))).await;
        assert_eq!(again, None);
    }
    let over = async || tables.sees("kim", inbox, WORKS, after(7300)).await;
    tables.all_or_nothing(over).await;
    assert_eq!(tables.unchanged(over()).await, None);
    let posts = tables.sql("select speaker, conversation_id from posts").await;
    assert_eq!(posts, format!("bot|{room}, bot|{room}"));
}

/// KIM-37: each side and each channel is told of for itself; a channel has one room for it, together with
/// what is told of its mailbox.
#[tokio::test]
async fn kim_6_37_each_account_is_told_of_for_itself_in_one_room_of_its_channel() {
    let tables = StoreTables::new().await;
    for (channel, side) in
        [("kim", AccountSide::Inbox), ("kim", AccountSide::Outbox), ("labor", AccountSide::Inbox)]
    {
        assert_eq!(tables.sees(channel, side, LOGIN, NOW).await.unwrap(), TOLD, "{channel}");
    }
    let works = tables.sees("kim", AccountSide::Outbox, WORKS, after(1)).await.unwrap();
    assert_eq!(works, Some(AccountNews::Works));
    let stand = "select channel, side from account_troubles where stands order by 1, 2";
    assert_eq!(tables.sql(stand).await, "kim|inbox, labor|inbox");
    let rooms = "select channel, conversation_id from channel_notices order by 1";
    assert_eq!(tables.sql(rooms).await, "kim|1, labor|2");
    let of_mails = tables.store.channel_notices(&name("kim"), ChannelKind::Kim, NOW).await.unwrap();
    assert_eq!(of_mails.0, 1);
    let of_fax = tables.store.channel_notices(&name("fax"), ChannelKind::Fax, NOW).await.unwrap();
    assert_eq!(of_fax.0, 3);
    let again = tables.store.channel_notices(&name("fax"), ChannelKind::Fax, NOW).await.unwrap();
    assert_eq!(again, of_fax);
}

/// KIM-36: the tables name the channel and a word, and nobody.
#[tokio::test]
async fn kim_36_what_is_kept_of_an_account_names_no_account() {
    let tables = StoreTables::new().await;
    tables.sees("kim", AccountSide::Inbox, LOGIN, NOW).await.unwrap();
    let kept = "select channel, side, trouble, stands from account_troubles";
    assert_eq!(tables.sql(kept).await, "kim|inbox|login|t");
}

/// KIM-30: it is kept with the state, or not at all.
#[tokio::test]
async fn kim_30_whether_reports_were_agreed_is_kept_in_the_step_that_settles() {
    for agreed in [true, false] {
        let tables = StoreTables::new().await;
        let conversation = tables.conversation().await;
        tables.says(conversation, "@anna:x", "1@kim.local").await;
        tables.closed(conversation).await;
        let attempt = tables.leaves(conversation).await;
        let said = notice("accepted");
        let settle =
            async || tables.store.settle_accepted(&attempt, "250", agreed, &said, NOW).await;
        tables.all_or_nothing(settle).await;
        tables.unchanged(settle()).await;
        let kept = "select state, reports_requested::text from dispatches";
        assert_eq!(tables.sql(kept).await, format!("accepted|{agreed}"));
    }
}

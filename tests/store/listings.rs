//! What the directory said about an address, how long it holds, and what is told when an entry vanishes.

use time::OffsetDateTime;

use umstieg::model::{AddressStanding, KimEntry, KimVersion, Listing, MailAddress, Notice};

use crate::tables::{NOW, StoreTables, after, notice};

const DAY: i64 = 24 * 3600;

fn address(text: &str) -> MailAddress {
    MailAddress::new(text).unwrap()
}

fn clinic() -> MailAddress {
    address("klinik@nord.kim.telematik")
}

fn listed(takes_large: bool) -> Listing {
    Listing::Listed(KimEntry {
        version: KimVersion::new("1.5"),
        takes_large,
        telematik_id: Some("5-1".to_owned()),
        display_name: Some("Klinik Nord".to_owned()),
    })
}

impl StoreTables {
    /// What is known at this time by a look of the last day.
    async fn known(&self, at: OffsetDateTime) -> Option<AddressStanding> {
        self.store.standing(&clinic(), at - time::Duration::seconds(DAY), at).await.unwrap()
    }

    async fn looks(&self, listing: &Listing, at: OffsetDateTime) -> AddressStanding {
        self.store.note_listing(&clinic(), listing, at).await.unwrap()
    }

    /// Tells it, and gives how many posts there are then.
    async fn tells(&self, conversation: umstieg::model::ConversationId, notice: &Notice) -> String {
        self.store.tell_vanished(conversation, &clinic(), notice).await.unwrap();
        self.sql("select count(*)::text from posts").await
    }
}

#[tokio::test]
async fn kim_35_what_was_looked_up_holds_for_a_day() {
    let tables = StoreTables::new().await;
    assert_eq!(tables.known(NOW).await, None);
    assert!(!tables.store.was_looked_up(&clinic()).await.unwrap());
    let there = AddressStanding::Listed { takes_large: true };
    assert_eq!(tables.looks(&listed(true), NOW).await, there);
    for (seconds, expected) in
        [(0, Some(there)), (DAY - 1, Some(there)), (DAY, None), (400 * DAY, None)]
    {
        assert_eq!(tables.known(after(seconds)).await, expected, "after {seconds} s");
    }
    // The clock was set back: nobody knows how old the look is.
    assert_eq!(tables.known(after(-1)).await, None);
    // Another address was not looked up.
    let other = address("klinik@nord.kim.telematik-test");
    let before = after(-DAY);
    assert_eq!(tables.store.standing(&other, before, NOW).await.unwrap(), None);
    assert!(tables.store.was_looked_up(&clinic()).await.unwrap());
    let row = "select address, listed, version, takes_large, telematik_id from listings";
    assert_eq!(tables.sql(row).await, "klinik@nord.kim.telematik|t|1.5|t|5-1");
}

#[tokio::test]
async fn kim_35_a_look_is_one_step_and_the_newest_counts() {
    let tables = StoreTables::new().await;
    let look =
        async |listing: Listing, at| tables.store.note_listing(&clinic(), &listing, at).await;
    tables.all_or_nothing(async || look(listed(true), NOW).await).await;
    tables.unchanged(look(listed(true), NOW)).await;
    assert_eq!(
        tables.looks(&listed(false), after(1)).await,
        AddressStanding::Listed { takes_large: false }
    );
    let gone = AddressStanding::Unlisted { vanished: true };
    tables.all_or_nothing(async || look(Listing::NotListed, after(2)).await).await;
    // Taken twice, it vanished once.
    assert_eq!(tables.unchanged(look(Listing::NotListed, after(2))).await, gone);
    assert_eq!(tables.sql("select vanishings::text, telematik_id from listings").await, "1|");
}

#[tokio::test]
async fn kim_35_a_room_is_told_once_of_each_vanishing() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    let other = tables.conversation().await;
    let said = notice("Die Adresse steht nicht mehr im Verzeichnis");
    // Never looked up, never there, and there: nothing is told.
    assert_eq!(tables.tells(conversation, &said).await, "0");
    assert_eq!(
        tables.looks(&Listing::NotListed, NOW).await,
        AddressStanding::Unlisted { vanished: false }
    );
    assert_eq!(tables.tells(conversation, &said).await, "0");
    tables.looks(&listed(true), after(1)).await;
    assert_eq!(tables.tells(conversation, &said).await, "0");

    tables.looks(&Listing::NotListed, after(2)).await;
    let tell = async || tables.store.tell_vanished(conversation, &clinic(), &said).await;
    tables.all_or_nothing(tell).await;
    assert_eq!(tables.tells(conversation, &said).await, "1");
    assert_eq!(tables.tells(other, &said).await, "2", "another room is told for itself");
    tables.looks(&Listing::NotListed, after(2 * DAY)).await;
    assert_eq!(tables.tells(conversation, &said).await, "2", "it is gone still");

    tables.looks(&listed(true), after(3 * DAY)).await;
    assert_eq!(tables.tells(conversation, &said).await, "2");
    tables.looks(&Listing::NotListed, after(4 * DAY)).await;
    assert_eq!(tables.tells(conversation, &said).await, "3", "it vanished once more");
    let names = tables.sql("select txn_id from posts order by id").await;
    assert!(!names.contains("klinik") && !names.contains('@'), "{names}");
}

#[tokio::test]
async fn kim_35_looks_are_counted_and_forgotten() {
    let tables = StoreTables::new().await;
    let gone = Listing::NotListed;
    for (number, at) in [(1, NOW), (2, after(DAY)), (3, after(DAY))] {
        let address = address(&format!("praxis{number}@nord.kim.telematik"));
        tables.store.note_listing(&address, &gone, at).await.unwrap();
    }
    assert_eq!(tables.store.looked_up_since(NOW).await.unwrap(), 2);
    assert_eq!(tables.store.looked_up_since(after(-1)).await.unwrap(), 3);
    tables.store.forget_listings(after(DAY)).await.unwrap();
    assert_eq!(tables.sql("select count(*)::text from listings").await, "2");
}

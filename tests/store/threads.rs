//! What a Message-ID leads to: into one conversation of one correspondent on one channel, or nowhere.

use umstieg::{
    model::{ConversationId, Correspondent, FaxNumber, MessageId, Seen},
    store::Placing,
};

use crate::tables::{NOW, StoreTables, erik, id, mail_of, name, placing};

/// What a letter says of its thread.
struct NamedIds<'a> {
    own: Option<&'a str>,
    named: &'a [&'a str],
}

/// A letter comes, and continues a conversation or opens one.
async fn comes(
    tables: &StoreTables,
    (channel, correspondent): (&str, &Correspondent),
    conversation: Option<ConversationId>,
    names: NamedIds<'_>,
) -> ConversationId {
    let (letter, channel) = (tables.letter_of(channel).await, name(channel));
    let own = names.own.map(id);
    let named: Vec<MessageId> = names.named.iter().map(|text| id(text)).collect();
    let placing = Placing {
        conversation,
        message_id: own.as_ref(),
        ancestors: &named,
        ..placing(letter, &channel, correspondent)
    };
    tables.place(placing).await
}

async fn leads_to(
    tables: &StoreTables,
    (channel, correspondent): (&str, &Correspondent),
    message_id: &str,
) -> Option<Seen> {
    let (channel, message_id) = (name(channel), id(message_id));
    let asked = std::slice::from_ref(&message_id);
    let known = tables.store.known_threads(&channel, correspondent, asked).await.unwrap();
    assert!(known.by_message_id.len() <= 1, "only what was asked for");
    known.by_message_id.get(&message_id).copied()
}

#[tokio::test]
async fn neither_a_channel_nor_a_correspondent_sees_the_threads_of_another() {
    let tables = StoreTables::new().await;
    let number = FaxNumber::new("+49301234567").unwrap();
    let all = [
        ("kim", erik()),
        ("kim", mail_of("anna@charite.kim.telematik")),
        ("kim", mail_of("erik@charite.kim.telematik.x")),
        ("kim", Correspondent::UnknownSender),
        ("kim2", erik()),
        ("fax", Correspondent::Fax(number.clone())),
        // A machine may call itself by any number.
        ("fax", Correspondent::ClaimedFax(number.clone())),
        ("fax", Correspondent::UnknownFax),
        ("fax2", Correspondent::Fax(number)),
    ];
    let mut opened = Vec::new();
    for (channel, correspondent) in &all {
        let who = (*channel, correspondent);
        assert_eq!(leads_to(&tables, who, "a@x").await, None, "{who:?}");
        let nobody = tables.store.known_threads(&name(channel), correspondent, &[]).await.unwrap();
        assert_eq!(nobody.newest, None, "{who:?}");
        let names = NamedIds { own: Some("a@x"), named: &["b@x"] };
        opened.push(comes(&tables, who, None, names).await);
    }
    for ((channel, correspondent), conversation) in all.iter().zip(opened) {
        let who = (*channel, correspondent);
        for message_id in ["a@x", "b@x"] {
            assert_eq!(leads_to(&tables, who, message_id).await, Some(Seen::In(conversation)));
        }
        let known = tables.store.known_threads(&name(channel), correspondent, &[]).await.unwrap();
        assert_eq!(known.newest, Some(conversation));
        let kept = tables.store.conversation(conversation).await.unwrap().unwrap();
        assert_eq!(
            (kept.channel.as_str(), &*kept.correspondent),
            (*channel, &*correspondent.key())
        );
    }
}

#[tokio::test]
async fn an_id_leads_into_the_one_conversation_it_was_seen_in() {
    let tables = StoreTables::new().await;
    let erik = erik();
    let who = ("kim", &erik);
    // Named before the mail that has it comes, and again by others of the same thread.
    let first = comes(&tables, who, None, NamedIds { own: Some("b@x"), named: &["a@x"] }).await;
    comes(&tables, who, Some(first), NamedIds { own: Some("a@x"), named: &[] }).await;
    comes(&tables, who, Some(first), NamedIds { own: None, named: &["a@x", "b@x", "a@x"] }).await;
    for message_id in ["a@x", "b@x"] {
        assert_eq!(leads_to(&tables, who, message_id).await, Some(Seen::In(first)));
    }
    assert_eq!(leads_to(&tables, who, "A@x").await, None, "compared byte by byte");
    let second = comes(&tables, who, None, NamedIds { own: Some("c@x"), named: &[] }).await;
    assert_eq!(leads_to(&tables, who, "c@x").await, Some(Seen::In(second)));
    assert_eq!(leads_to(&tables, who, "a@x").await, Some(Seen::In(first)));
}

#[tokio::test]
async fn an_id_of_two_conversations_leads_into_none_any_more() {
    let tables = StoreTables::new().await;
    let erik = erik();
    let who = ("kim", &erik);
    let first =
        comes(&tables, who, None, NamedIds { own: Some("a@x"), named: &["b@x", "c@x"] }).await;
    // Another thread names one of them, and one of its mails has another one.
    comes(&tables, who, None, NamedIds { own: Some("c@x"), named: &["b@x"] }).await;
    for message_id in ["b@x", "c@x"] {
        assert_eq!(leads_to(&tables, who, message_id).await, Some(Seen::Ambiguous));
    }
    assert_eq!(leads_to(&tables, who, "a@x").await, Some(Seen::In(first)));
    // Whatever comes after that.
    comes(&tables, who, Some(first), NamedIds { own: Some("b@x"), named: &["c@x"] }).await;
    for message_id in ["b@x", "c@x"] {
        assert_eq!(leads_to(&tables, who, message_id).await, Some(Seen::Ambiguous));
    }
    // With another correspondent it leads where it did.
    let anna = mail_of("anna@charite.kim.telematik");
    let hers = comes(&tables, ("kim", &anna), None, NamedIds { own: None, named: &["b@x"] }).await;
    assert_eq!(leads_to(&tables, ("kim", &anna), "b@x").await, Some(Seen::In(hers)));
}

#[tokio::test]
async fn an_id_that_two_mails_bear_leads_into_none_even_where_both_are_in_one_conversation() {
    let tables = StoreTables::new().await;
    let erik = erik();
    let who = ("kim", &erik);
    let first = comes(&tables, who, None, NamedIds { own: Some("a@x"), named: &[] }).await;
    comes(&tables, who, Some(first), NamedIds { own: Some("a@x"), named: &[] }).await;
    assert_eq!(leads_to(&tables, who, "a@x").await, Some(Seen::Ambiguous));
}

#[tokio::test]
async fn what_we_sent_leads_back_and_is_ambiguous_where_somebody_else_has_used_its_id() {
    let tables = StoreTables::new().await;
    let erik = erik();
    let who = ("kim", &erik);
    let first =
        comes(&tables, who, None, NamedIds { own: None, named: &["taken@kim.local"] }).await;
    let second = comes(&tables, who, None, NamedIds { own: None, named: &[] }).await;
    for (message_id, expected) in
        [("fresh@kim.local", Seen::In(second)), ("taken@kim.local", Seen::Ambiguous)]
    {
        tables.says(second, "@anna:x", message_id).await;
        assert_ne!(leads_to(&tables, who, message_id).await, Some(expected), "not before");
        let head = tables.store.head_dispatch(second).await.unwrap().unwrap();
        tables.store.close_dispatch(&head, NOW).await.unwrap();
        assert_eq!(leads_to(&tables, who, message_id).await, Some(expected));
        // So that it does not stand before the next.
        tables.hands_over(second).await;
    }
    // A mail with our id as its own is another one; one that names ours is an answer.
    comes(&tables, who, Some(second), NamedIds { own: None, named: &["fresh@kim.local"] }).await;
    assert_eq!(leads_to(&tables, who, "fresh@kim.local").await, Some(Seen::In(second)));
    comes(&tables, who, Some(second), NamedIds { own: Some("fresh@kim.local"), named: &[] }).await;
    assert_eq!(leads_to(&tables, who, "fresh@kim.local").await, Some(Seen::Ambiguous));
    assert_ne!(first, second);
    // It is invisible to another correspondent of the channel.
    let anna = mail_of("anna@charite.kim.telematik");
    assert_eq!(leads_to(&tables, ("kim", &anna), "fresh@kim.local").await, None);
}

/// What says something else is another mail: its answers come back under either name.
#[tokio::test]
async fn both_names_of_a_dispatch_that_was_named_anew_lead_back() {
    let tables = StoreTables::new().await;
    let (store, erik) = (&tables.store, erik());
    let who = ("kim", &erik);
    let conversation = tables.conversation().await;
    tables.says(conversation, "@anna:x", "one@kim.local").await;
    let head = tables.closed(conversation).await;
    let two = id("two@kim.local");
    let name_anew = async || store.name_anew(&head, &two, NOW).await;
    tables.all_or_nothing(name_anew).await;
    assert_eq!(tables.unchanged(name_anew()).await, None, "another one was faster");
    let now = store.head_dispatch(conversation).await.unwrap().unwrap();
    assert_eq!((&now.message_id, now.begun), (&two, head.begun + 1));
    for message_id in ["one@kim.local", "two@kim.local"] {
        assert_eq!(leads_to(&tables, who, message_id).await, Some(Seen::In(conversation)));
    }
}

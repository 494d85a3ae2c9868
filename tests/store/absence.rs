//! Absence notes: told once, and what is not told again is kept and counted (KIM-21).

use umstieg::store::Placing;

use crate::tables::{NOW, StoreTables, erik, name, placing, post};

#[tokio::test]
async fn kim_21_a_note_that_came_again_is_kept_and_counted_once() {
    let tables = StoreTables::new().await;
    let (store, kim, erik) = (&tables.store, name("kim"), erik());
    let (letter, note) = (tables.letter().await, tables.letter().await);
    let conversation = tables.place(placing(letter, &kim, &erik)).await;
    let (words, posts) = ([7; 32], [post("note")]);
    assert_eq!(store.told_note(conversation, &words).await.unwrap(), None);
    let told = Placing {
        conversation: Some(conversation),
        note: Some(words),
        posts: &posts,
        ..placing(note, &kim, &erik)
    };
    tables.all_or_nothing(async || store.place_letter(told.clone()).await).await;
    let known = store.told_note(conversation, &words).await.unwrap().unwrap();
    assert_eq!((known.letter, known.told_at, known.again), (note, NOW, 0));
    assert_eq!(store.told_note(conversation, &[8; 32]).await.unwrap(), None);

    let again = tables.letter().await;
    tables.all_or_nothing(async || store.note_came_again(again, note).await).await;
    let known = store.told_note(conversation, &words).await.unwrap().unwrap();
    assert_eq!(known.again, 1);
    assert_eq!(tables.states("letters").await, "posted, placed, duplicate");

    // An answer answers the letter, not the note.
    let newest = store.newest_letter(conversation).await.unwrap().unwrap();
    assert_eq!(newest.id, letter);
    let answered = store.answered_letter(conversation, "$e", &[]).await.unwrap().unwrap();
    assert_eq!(answered.id, letter);

    // What a person gave up before it was in its room was not told.
    tables.sql(&format!("update letters set state = 'dropped' where id = {note}")).await;
    assert_eq!(store.told_note(conversation, &words).await.unwrap(), None);
}

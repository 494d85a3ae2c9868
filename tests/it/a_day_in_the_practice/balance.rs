//! What became of each mail and each answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use umstieg::phrases::Phrase;

use super::{Day, DayAnswer, DayFate, mails::number_of_words};
use crate::phrases::{HANDED_TO_KIM, SOME_TIME, saying};

/// The day in figures.
#[derive(Debug, Default)]
pub(super) struct Balance {
    pub(super) mails: usize,
    answers: usize,
    lost: Vec<String>,
    doubled: Vec<String>,
    misplaced: Vec<String>,
    misreported: Vec<String>,
    touched: Vec<String>,
    /// Shown although it was held back.
    leaked: Vec<String>,
    /// Deleted although it had to stay, or left where it was to be deleted.
    kept_wrongly: Vec<String>,
    /// Mails of ours that KIM would complain about.
    complaints: Vec<String>,
}

impl Balance {
    pub(super) fn wrong(&self) -> usize {
        [
            &self.lost,
            &self.doubled,
            &self.misplaced,
            &self.misreported,
            &self.touched,
            &self.leaked,
            &self.kept_wrongly,
            &self.complaints,
        ]
        .map(Vec::len)
        .iter()
        .sum()
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} mails and {} answers: lost {:?}, doubled {:?}, misplaced {:?}, falsely reported {:?}, \
             machine mails touched {:?}, shown too early {:?}, deleted or left wrongly {:?}, \
             complained about {:?}",
            self.mails,
            self.answers,
            self.lost,
            self.doubled,
            self.misplaced,
            self.misreported,
            self.touched,
            self.leaked,
            self.kept_wrongly,
            self.complaints
        )
    }
}

pub(super) async fn of(day: &Day) -> Balance {
    let mut balance = Balance { answers: day.answers.lock().unwrap().len(), ..Balance::default() };
    letters(day, &mut balance).await;
    answers(day, &mut balance);
    balance
}

/// The rooms in which the words of each letter are shown, by its number.
fn shown(day: &Day) -> BTreeMap<usize, Vec<String>> {
    let mut shown = BTreeMap::<usize, Vec<String>>::new();
    let seen = day.anna.seen();
    let posts = seen.messages().filter(|message| {
        message.sender != day.anna.user_id && message.edit_of().is_none() && !message.has_file()
    });
    for post in posts {
        let body = seen.shown_body(post.event_id()).unwrap_or_default();
        if let Some(number) = number_of_words(body) {
            shown.entry(number).or_default().push(post.room_id.clone());
        }
    }
    shown
}

async fn letters(day: &Day, balance: &mut Balance) {
    let shown = shown(day);
    let journal = day.module.journal();
    let mails = day.mails.lock().unwrap().clone();
    let accounts = [&day.stage.practice, &day.labor];
    let there: BTreeMap<&str, BTreeSet<String>> = accounts
        .into_iter()
        .map(|account| (account.as_str(), day.module.uidls(account).unwrap().into_iter().collect()))
        .collect();
    let made_by_machines = |account: &str| journal.mails.get(account).map_or(0, BTreeMap::len);
    balance.mails = accounts.into_iter().map(|account| made_by_machines(account)).sum();
    let mut rooms = BTreeMap::new();
    for mail in &mails {
        let name = format!("{} {:?}", mail.number, mail.fate);
        let places = shown.get(&mail.number).cloned().unwrap_or_default();
        let used = journal.mail(&mail.account, &mail.uidl);
        match mail.fate {
            DayFate::Shown(partner, thread) => {
                let room = day.room_of((partner, thread)).await;
                rooms.insert((partner, thread), room.clone());
                match places.as_slice() {
                    [] => balance.lost.push(name.clone()),
                    [only] if *only != room => balance.misplaced.push(name.clone()),
                    [_] => {}
                    _ => balance.doubled.push(name.clone()),
                }
            }
            DayFate::ShownSomewhere if places.is_empty() => balance.lost.push(name.clone()),
            DayFate::ShownSomewhere if places.len() > 1 => balance.doubled.push(name.clone()),
            DayFate::Untouched if (used.retr, used.dele) != (0, 0) => {
                balance.touched.push(name.clone())
            }
            DayFate::Unreadable if !places.is_empty() => balance.leaked.push(name.clone()),
            DayFate::Withheld if places.len() > 1 => balance.doubled.push(name.clone()),
            _ => {}
        }
        let is_there = there[mail.account.as_str()].contains(&mail.uidl);
        if is_there != (mail.account == day.stage.practice) {
            balance.kept_wrongly.push(name);
        }
    }
    let different: BTreeSet<&String> = rooms.values().collect();
    if different.len() != rooms.len() {
        balance.misplaced.push("two threads in one room".to_owned());
    }
    let withheld = mails.iter().filter(|mail| mail.fate == DayFate::Withheld);
    let of_these = withheld.filter(|mail| shown.contains_key(&mail.number)).count();
    // Those that stand in a warning of the Clientmodul's own have no words of their own.
    if of_these > 6 {
        balance
            .leaked
            .push(format!("{of_these} of 12 withheld letters are shown, and 6 were released"));
    }
}

/// What may be said of an answer that left, and of one that did not.
fn answers(day: &Day, balance: &mut Balance) {
    let journal = day.module.journal();
    for sent in journal.accepted() {
        balance.complaints.extend(sent.complaints.iter().cloned());
    }
    let at = SOME_TIME;
    let has_left = [HANDED_TO_KIM, Phrase::DispatchDelivered { at }, Phrase::DispatchRead { at }];
    for answer in day.answers.lock().unwrap().iter() {
        let name = DayAnswer::words(answer.number);
        let times = journal.accepted().filter(|sent| answer.is_in(&sent.bytes)).count();
        if times > 1 {
            balance.doubled.push(format!("{name} left {times} times"));
        }
        let seen = day.anna.seen();
        let is_said = has_left.iter().any(|phrase| {
            saying(&seen, phrase).any(|message| {
                message.edit_of().is_none() && message.reply_to() == Some(&answer.event_id)
                    || message.edit_of().is_some_and(|original| {
                        seen.messages().any(|it| {
                            it.event_id() == original && it.reply_to() == Some(&answer.event_id)
                        })
                    })
            })
        });
        if is_said != (times > 0) {
            balance
                .misreported
                .push(format!("{name} left {times} times, and is told as such: {is_said}"));
        }
    }
}

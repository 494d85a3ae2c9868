//! What is done with a KIM mail because of its Dienstkennung (KIM-9, KIM-22).

use crate::{
    channel::{MailboxUse, ServiceClass, ServiceClasses},
    model::{SaidService, ServiceId},
};

/// What a look does with a mail of which it knows the outer head alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtTheGate {
    Fetch,
    /// Neither fetched nor deleted, ever: another program reads it.
    LeaveAlone,
}

/// Decides it. `class`: what the outer head says the mail is; nothing if it says nothing, as reports
/// and error mails do.
///
/// What nobody knows is fetched even from a shared mailbox: a person has to learn of every KIM mail
/// that no program is known to read.
pub fn gate(class: Option<ServiceClass>, mailbox: MailboxUse) -> AtTheGate {
    match (class, mailbox) {
        (Some(ServiceClass::Machine), MailboxUse::Shared) => AtTheGate::LeaveAlone,
        _ => AtTheGate::Fetch,
    }
}

/// What the room of a letter should know about its Dienstkennung.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceNote {
    /// The practice's software should read it.
    Machine(ServiceId),
    /// The table does not have it, or it has not the form of one.
    Unknown(Option<ServiceId>),
}

/// Looks at the Dienstkennung outside, which decided at the gate, and at the one inside, which the
/// sender signed. Either of them is enough for a hint: nothing is undone, and a person sees what it is.
pub fn note(
    classes: &ServiceClasses,
    outer: &SaidService,
    inner: &SaidService,
) -> Option<ServiceNote> {
    let said = [inner, outer];
    let of = |class| said.into_iter().find(|said| classes.class_of(said) == Some(class));
    if let Some(SaidService::Is(service)) = of(ServiceClass::Machine) {
        return Some(ServiceNote::Machine(service.clone()));
    }
    of(ServiceClass::Unknown).map(|said| {
        ServiceNote::Unknown(match said {
            SaidService::Is(service) => Some(service.clone()),
            SaidService::Nothing | SaidService::Unreadable => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kim_9_machine_mail_in_a_shared_mailbox_is_left_alone() {
        use ServiceClass::{Absence, Chat, Machine, Receipt, Unknown};
        for class in [None, Some(Absence), Some(Chat), Some(Machine), Some(Receipt), Some(Unknown)]
        {
            assert_eq!(gate(class, MailboxUse::Owned), AtTheGate::Fetch, "{class:?}");
            let expected = match class {
                Some(Machine) => AtTheGate::LeaveAlone,
                _ => AtTheGate::Fetch,
            };
            assert_eq!(gate(class, MailboxUse::Shared), expected, "{class:?}");
        }
    }

    #[test]
    fn kim_22_what_is_no_letter_of_people_says_what_it_is() {
        let said = |text: &str| match text {
            "" => SaidService::Nothing,
            text => ServiceId::new(text).map_or(SaidService::Unreadable, SaidService::Is),
        };
        let check = |outer: &str, inner: &str, expected: Option<ServiceNote>| {
            let table = ServiceClasses::default();
            assert_eq!(note(&table, &said(outer), &said(inner)), expected, "{outer} {inner}");
        };
        let (chat, machine, new) = ("KIM-Mail;Default;V1.0", "eAU;Lieferung;V1.0", "Neu;Ding;V1");
        let machine_note = || ServiceId::new(machine).map(ServiceNote::Machine);
        let new_note = || Some(ServiceNote::Unknown(ServiceId::new(new)));
        check(chat, chat, None);
        check("", "", None);
        check(chat, "", None);
        check(machine, machine, machine_note());
        check(chat, machine, machine_note());
        check(machine, chat, machine_note());
        check("", machine, machine_note());
        check(new, new, new_note());
        check(chat, new, new_note());
        check(new, machine, machine_note());
        check("kein Dienst", chat, Some(ServiceNote::Unknown(None)));
        check("KIM-Mail;Abwesend;V1.0", "", None);
    }
}

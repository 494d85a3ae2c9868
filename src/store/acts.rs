//! What people did to events: kept from the moment a door tells of it, and asked before anything
//! leaves. `rules::acts` says what follows from it.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    InRow as _, IncomingEvent, Store, StoreError, StoredPart, receipts::is_receipt_taken_back,
    seal::Purpose,
};
use crate::{
    model::DispatchId,
    rules::{
        acts::{Act, ActKind, Deed, Newer, Shown, acts_of, shown},
        starting::NEW_ADDRESS,
    },
};

/// What a dispatch says, as its room shows it at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composition {
    pub parts: Vec<LeavingPart>,
    /// Whether an edit of one of its messages cannot be read yet.
    pub waits: bool,
    /// Whether it is a receipt, and the command that had it sent is deleted.
    pub is_taken_back: bool,
    /// How many confirmations of this fax, or of its address, were taken back: after one it is shown anew,
    /// or waits again.
    pub confirmations_taken_back: i64,
}

/// A room message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeavingPart {
    id: i64,
    /// The edit whose words it has; empty for the first ones.
    version: String,
    pub part: StoredPart,
}

impl Composition {
    /// The same messages in the same versions: a caller that composes both writes the same.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let versions = |composition: &Self| -> Vec<(i64, String)> {
            composition.parts.iter().map(|part| (part.id, part.version.clone())).collect()
        };
        let besides = |composition: &Self| {
            (composition.waits, composition.is_taken_back, composition.confirmations_taken_back)
        };
        besides(self) == besides(other) && versions(self) == versions(other)
    }

    /// Tells it apart from everything else by which messages it has, each in which version.
    pub fn mark(&self) -> String {
        let parts = self.parts.iter().map(|part| format!("{}:{}", part.id, part.version));
        parts.collect::<Vec<_>>().join(" ")
    }

    /// Notes this as what its parts begin to leave with.
    pub(super) async fn begins_to_leave(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), sqlx::Error> {
        let (ids, versions): (Vec<i64>, Vec<String>) =
            self.parts.iter().map(|part| (part.id, part.version.clone())).unzip();
        sqlx::query!(
            "update dispatch_parts
             set left_as = leaving.version
             from unnest($1::bigint[], $2::text[]) as leaving (id, version)
             where dispatch_parts.id = leaving.id",
            &ids,
            &versions,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// A row of `dispatch_parts`.
pub(super) struct PartRow {
    pub(super) id: i64,
    pub(super) event_id: String,
    pub(super) content: Vec<u8>,
    pub(super) author: String,
    pub(super) is_out: bool,
    pub(super) held_by: Option<String>,
    pub(super) left_as: Option<String>,
}

/// The acts upon some messages, with what the edits among them say.
pub(super) struct Acts {
    pub(super) acts: Vec<Act>,
    /// Sealed, as `acts` in order.
    contents: Vec<Option<Vec<u8>>>,
}

impl Acts {
    /// What a message says in a version, sealed; `None` if there is no such version.
    fn content<'a>(&'a self, part: &'a PartRow, version: Option<&str>) -> Option<&'a [u8]> {
        let Some(edit) = version else { return Some(&part.content) };
        let at = self.acts.iter().position(|act| act.event_id == edit)?;
        self.contents.get(at)?.as_deref()
    }
}

impl Store {
    /// What a dispatch says now, in the order of `/sync`, without what was taken back.
    pub async fn composition(&self, dispatch: DispatchId) -> Result<Composition, StoreError> {
        let mut connection = self.pool.acquire().await?;
        self.composition_in(&mut connection, dispatch).await
    }

    pub(super) async fn composition_in(
        &self,
        connection: &mut PgConnection,
        dispatch: DispatchId,
    ) -> Result<Composition, StoreError> {
        let rows = parts_of(connection, dispatch).await?;
        let acts = acts_on(connection, dispatch).await?;
        let is_taken_back = rows.is_empty() && is_receipt_taken_back(connection, dispatch).await?;
        let confirmations_taken_back = sqlx::query_scalar!(
            r#"select
                 (
                     select count(*)
                     from fax_previews
                     where dispatch_id = $1
                       and confirmed_in is not null
                       and was_taken_back(confirmed_in)
                 ) + (
                     select count(*)
                     from dispatches as dispatch
                     join settled_doubts as settled
                         on settled.conversation_id = dispatch.conversation_id
                     where dispatch.id = $1
                       and settled.doubt = $2
                       and was_taken_back(settled.settled_in)
                 ) as "taken_back!""#,
            dispatch.0,
            NEW_ADDRESS,
        )
        .fetch_one(&mut *connection)
        .await?;
        let mut composition = Composition {
            parts: Vec::new(),
            waits: false,
            is_taken_back,
            confirmations_taken_back,
        };
        for row in rows.iter().filter(|row| !row.is_out) {
            match shown(&row.event_id, &row.author, &acts.acts) {
                Shown::Version(version) => composition.parts.push(LeavingPart {
                    id: row.id,
                    version: version.unwrap_or_default().to_owned(),
                    part: self.part_as(row, &acts, version)?,
                }),
                Shown::Waits(_) => composition.waits = true,
                Shown::Never(_) | Shown::Nothing => {}
            }
        }
        Ok(composition)
    }

    /// What a dispatch says, in order: as it last left, where it did or may have, else as its room
    /// shows it.
    pub async fn dispatch_parts(
        &self,
        dispatch: DispatchId,
    ) -> Result<Vec<StoredPart>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let rows = parts_of(&mut connection, dispatch).await?;
        let acts = acts_on(&mut connection, dispatch).await?;
        let mut parts = Vec::new();
        for row in &rows {
            let version = match (&row.left_as, shown(&row.event_id, &row.author, &acts.acts)) {
                (Some(version), _) => Some(version.as_str()).filter(|version| !version.is_empty()),
                (None, Shown::Version(version)) if !row.is_out => version,
                (None, _) => continue,
            };
            parts.push(self.part_as(row, &acts, version)?);
        }
        Ok(parts)
    }

    pub(super) fn part_as(
        &self,
        row: &PartRow,
        acts: &Acts,
        version: Option<&str>,
    ) -> Result<StoredPart, StoreError> {
        // The words of an edit that is shown are there: the table's own check ensures it.
        let sealed = acts.content(row, version).unwrap_or_default();
        Ok(self.open_json(Purpose::DispatchPart, sealed).in_row(row.id)?)
    }
}

async fn parts_of(
    connection: &mut PgConnection,
    dispatch: DispatchId,
) -> Result<Vec<PartRow>, sqlx::Error> {
    sqlx::query_as!(
        PartRow,
        "select
             part.id,
             part.event_id,
             part.content,
             dispatch.author,
             part.withdrawn as is_out,
             part.held_by,
             part.left_as
         from dispatch_parts as part
         join dispatches as dispatch on dispatch.id = part.dispatch_id
         left join room_events as event on event.event_id = part.event_id
         where part.dispatch_id = $1
         -- Not in the order in which it could be read: a key may have been late.
         order by event.place nulls last, part.id",
        dispatch.0,
    )
    .fetch_all(connection)
    .await
}

/// The acts upon the messages of a dispatch, and those upon these acts, in the order of `/sync`.
pub(super) async fn acts_on(
    connection: &mut PgConnection,
    dispatch: DispatchId,
) -> Result<Acts, sqlx::Error> {
    let rows = sqlx::query!(
        "with messages as (
             select part.event_id, event.room_id
             from dispatch_parts as part
             join room_events as event on event.event_id = part.event_id
             where part.dispatch_id = $1
         ),
         -- An edit is taken back by a redaction of its own.
         edits as (
             select act.event_id, act.room_id
             from messages
             join room_acts as act
                 on act.target = messages.event_id
                and act.room_id = messages.room_id
             where act.kind = 'edit'
         ),
         targets as (
             select event_id, room_id from messages
             union
             select event_id, room_id from edits
         )
         select act.event_id, act.author, act.target, act.kind, act.state, act.content
         from targets
         join room_acts as act
             on act.target = targets.event_id
            and act.room_id = targets.room_id
         left join room_events as event on event.event_id = act.event_id
         order by event.place nulls last, act.id",
        dispatch.0,
    )
    .fetch_all(connection)
    .await?;
    let mut all = Acts { acts: Vec::new(), contents: Vec::new() };
    for row in rows {
        let deed = match (ActKind::from_word(&row.kind), row.state.as_str()) {
            (Some(ActKind::Redaction), _) => Deed::Redaction,
            (Some(ActKind::Edit), "says") => Deed::Edit(Newer::Says),
            (Some(ActKind::Edit), "never") => Deed::Edit(Newer::Never),
            // The table allows no other words; an unknown one lets nothing leave.
            (Some(ActKind::Edit) | None, _) => Deed::Edit(Newer::Unread),
        };
        let (event_id, author, target) = (row.event_id, row.author, row.target);
        all.acts.push(Act { event_id, author, target, deed });
        all.contents.push(row.content);
    }
    Ok(all)
}

/// Keeps what new events do to others. For our own posts only a deletion counts: a deleted post cannot
/// be replaced any more.
pub(super) async fn insert(
    connection: &mut PgConnection,
    events: &[IncomingEvent],
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    let (mut names, mut rooms, mut authors, mut targets, mut kinds) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for event in events {
        for act in acts_of(&event.event) {
            names.push(act.event_id);
            rooms.push(event.room_id.clone());
            authors.push(act.author);
            targets.push(act.target);
            kinds.push(act.kind.word().to_owned());
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into room_acts (event_id, room_id, author, target, kind, received_at)
         select event_id, room_id, author, target, kind, $6
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
             with ordinality as act (event_id, room_id, author, target, kind, number)
         where kind = 'redaction'
            or not exists (select 1 from posts where posts.event_id = act.target)
         order by number
         -- An event does one thing to one other; it came by the other door.
         on conflict (event_id) do nothing",
        &names,
        &rooms,
        &authors,
        &targets,
        &kinds,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

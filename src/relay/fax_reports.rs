//! What a fax gateway says of a fax of ours moves it on (FAX-28 to FAX-33).
//!
//! The tag in the report decides which fax it is about. Without one, the number does, if only one fax to
//! it is underway. A report that fits none for certain moves nothing: the team is told of it.

use time::Duration;

use super::{
    Ctx, Line,
    reported::{self, ReportProgress, recipient_number},
};
use crate::{
    channel::{FaxProfile, FaxReportSays, FaxSaid},
    model::{FaxNumber, LetterId},
    rules::reported as rule,
    store::{FaxTest, FaxTestSaid, ReportedDispatch, StoreError},
};

/// How long after a fax left a report without a tag may be about it.
const WITHOUT_TAG: Duration = Duration::days(2);

/// Takes a gateway's report. `false`: it fits no fax of ours for certain.
pub(super) async fn take(
    ctx: &Ctx,
    line: &Line,
    (letter, fingerprint): (LetterId, Option<[u8; 32]>),
    said: &FaxSaid,
) -> Result<bool, StoreError> {
    let Some(profile) = line.channel.fax() else { return Ok(false) };
    loop {
        let dispatch = dispatch_of(ctx, line, said).await?;
        let test = test_of(ctx, line, said).await?;
        let dispatch = match (dispatch, test) {
            (Some(dispatch), None) => dispatch,
            (None, Some(test)) => {
                return take_of_test(ctx, profile, (letter, fingerprint), &test, said).await;
            }
            // A number alone does not say which of the two.
            (Some(_), Some(_)) | (None, None) => return Ok(false),
        };
        let Some(number) = recipient_number(line, &dispatch) else { return Ok(false) };
        if !is_believed(profile, said) {
            return Ok(false);
        }
        if !rule::is_of_number(said, &number) {
            return Ok(false);
        }
        let pages = ctx.store.pages_of(dispatch.id).await?;
        let added = profile.form.reports.pages_added;
        let Some(says) = rule::said_by_gateway(said, pages, added) else { return Ok(false) };
        let words = (says, said.pages, said.reason.as_deref());
        let step = reported::take_step(ctx, line, (letter, fingerprint), &dispatch, words);
        match step.await? {
            ReportProgress::Taken => return Ok(true),
            ReportProgress::Impossible => return Ok(false),
            ReportProgress::Moved => {}
        }
    }
}

/// Anybody can write a number. Where the gateway was given a word that nobody else knows, what calms the team
/// bears it; that a fax failed makes a person look, and hides nothing.
fn is_believed(profile: &FaxProfile, said: &FaxSaid) -> bool {
    said.about.is_some() || said.says == FaxReportSays::Failed || !profile.names_faxes()
}

/// The test fax of an admin that a report is about (`umstieg fax test`).
async fn test_of(ctx: &Ctx, line: &Line, said: &FaxSaid) -> Result<Option<FaxTest>, StoreError> {
    let channel = &line.channel.name;
    match (&said.about, &said.to) {
        (Some(about), _) => ctx.store.fax_test_named(channel, about).await,
        (None, Some(number)) => {
            let since = ctx.clock.now() - WITHOUT_TAG;
            ctx.store.fax_test_underway(channel, number, since).await
        }
        (None, None) => Ok(None),
    }
}

async fn take_of_test(
    ctx: &Ctx,
    profile: &FaxProfile,
    letter: (LetterId, Option<[u8; 32]>),
    test: &FaxTest,
    said: &FaxSaid,
) -> Result<bool, StoreError> {
    let is_its = FaxNumber::new(&test.number).is_ok_and(|number| rule::is_of_number(said, &number));
    if !is_its || !is_believed(profile, said) {
        return Ok(false);
    }
    let added = profile.form.reports.pages_added;
    let Some(says) = rule::said_by_gateway(said, Some(test.pages), added) else { return Ok(false) };
    let why = says.why.map(|why| why.word().to_owned());
    let said = FaxTestSaid { state: says.state, why };
    ctx.store.note_fax_test(test.id, letter, &said, ctx.clock.now()).await?;
    Ok(true)
}

async fn dispatch_of(
    ctx: &Ctx,
    line: &Line,
    said: &FaxSaid,
) -> Result<Option<ReportedDispatch>, StoreError> {
    let channel = &line.channel.name;
    if let Some(about) = &said.about {
        return ctx.store.reported_dispatch(channel, std::slice::from_ref(about)).await;
    }
    let Some(number) = &said.to else { return Ok(None) };
    let since = ctx.clock.now() - WITHOUT_TAG;
    ctx.store.only_fax_underway(channel, number, since).await
}

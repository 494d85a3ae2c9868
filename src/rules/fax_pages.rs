//! What of a fax is shown, and how.

use serde_json::{Value, json};

use super::posts::marked;
use crate::model::{
    DocumentForm, DocumentSight, FaxPictures, MadeFile, NewPost, PageTrouble, Speaker, Substance,
};

/// Pictures of one fax at most. More pages are in the file alone: a room is no place to leaf through.
pub const PICTURES_MAX: usize = 20;

/// What was seen of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileSeen {
    Looked(DocumentSight),
    /// It broke the process in which it was opened.
    Broken,
    /// It has more bytes than are opened.
    TooLarge,
    /// It was not opened: what came before it took too much.
    Skipped,
    /// The process in which files are opened could not be started, or too many files were there.
    Unopened,
    /// It is no page of the fax: the gateway's words, a mail, or a file that a scanner held back.
    Passed,
}

/// Whether a file of unknown content is words, such as the protocol of a call, or a mail that was passed on:
/// its mail calls it so, and so does its name, by which a click decides what opens it.
pub fn is_words(media_type: &str, file_name: &str) -> bool {
    let is_called_so = media_type.starts_with("text/") || media_type.starts_with("message/");
    let name = file_name.trim_end_matches(['.', ' ']);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let is_named_so =
        ending.is_none_or(|ending| ["txt", "text", "log", "csv", "asc", "eml"].contains(&&*ending));
    is_called_so && is_named_so
}

/// A picture of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageOfFile {
    /// Which file, by its place in the letter.
    pub file: usize,
    /// The page in this file, from 1.
    pub page: u32,
    /// The page in the whole fax, from 1.
    pub number: u32,
}

/// What the room is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaxNote {
    /// The numbers of these pages in the whole fax.
    Damaged(Vec<u32>),
    Cut,
    /// The gateway names `declared` pages, and so many came.
    PagesDiffer {
        declared: u32,
        came: u32,
    },
    /// The same fax has other pages as a PDF than as a TIFF.
    FormsDiffer {
        pdf: u32,
        tiff: u32,
    },
    SomePictures {
        shown: usize,
    },
    NotShown(usize, PageTrouble),
    Broken(usize),
    TooLarge(usize),
    Skipped(usize),
    PostScript(usize),
    Unknown(usize),
    Foreign(usize),
    Unopened,
}

/// How a fax is shown. Places are those of files in the letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaxView {
    /// Pages of the whole fax; 0 where none can be shown.
    pub pages: u32,
    pub pictures: Vec<PageOfFile>,
    /// The TIFFs of which a PDF is made.
    pub to_pdf: Vec<usize>,
    /// The pictures that came along; clients do not show them, since they show pages once more.
    pub quiet: Vec<usize>,
    /// The files that are held back (FAX-12).
    pub held: Vec<usize>,
    pub notes: Vec<FaxNote>,
}

/// Decides how a fax is shown.
///
/// Several files are one fax (FAX-3): gateways bring the same pages as a PDF, as a TIFF and as a small
/// picture. Where a PDF can be shown, PDFs are shown, and else TIFFs, also where the end of a PDF is missing and
/// the TIFFs are whole; the others are offered as files. Should a PDF and a TIFF hold different pages, then all
/// of them are in the files, and if their numbers differ, that is said. Two faxes of as many pages in one mail
/// look the same from here; both files are in the room.
///
/// `declared`: the number of pages that the gateway names (FAX-6).
pub fn view(files: &[FileSeen], pictures: FaxPictures, declared: Option<u32>) -> FaxView {
    let mut view = FaxView::default();
    let of_form = |form| {
        let mut shown = Vec::new();
        for (place, file) in files.iter().enumerate() {
            if let FileSeen::Looked(sight) = file
                && sight.form == form
                && sight.pages > 0
            {
                shown.push((place, sight));
            }
        }
        shown
    };
    let (pdfs, tiffs) = (of_form(DocumentForm::Pdf), of_form(DocumentForm::Tiff));
    let count =
        |of: &[(usize, &DocumentSight)]| of.iter().map(|(_, sight)| sight.pages).sum::<u32>();
    let is_whole = |of: &[(usize, &DocumentSight)]| {
        of.iter().all(|(_, sight)| !sight.is_cut && sight.damaged.is_empty())
    };
    let tiffs_are_better = !tiffs.is_empty() && is_whole(&tiffs) && !is_whole(&pdfs);
    let shown = if pdfs.is_empty() || tiffs_are_better {
        view.to_pdf = tiffs.iter().map(|(place, _)| *place).collect();
        &tiffs
    } else {
        &pdfs
    };
    view.pages = count(shown);
    view.look_through(shown);
    let declared = declared.filter(|declared| *declared > 0);
    if let Some((declared, came)) = declared.and_then(|declared| view.missing(files, declared)) {
        view.notes.push(FaxNote::PagesDiffer { declared, came });
    }
    // The same fax in another form: if it has other pages, one of the two is not whole, whatever the gateway
    // counts.
    let (pdf, tiff) = (count(&pdfs), count(&tiffs));
    if pdf > 0 && tiff > 0 && pdf != tiff {
        view.notes.push(FaxNote::FormsDiffer { pdf, tiff });
    }
    view.choose(pictures);
    for (place, file) in files.iter().enumerate() {
        view.judge(place, file);
    }
    view
}

impl FaxView {
    /// The declared number of pages and that of those that came, where they differ. Pictures are pages only
    /// where there are no others. More of them than declared are no fault: a mail may bring a logo along.
    fn missing(&self, files: &[FileSeen], declared: u32) -> Option<(u32, u32)> {
        if self.pages > 0 {
            return (declared != self.pages).then_some((declared, self.pages));
        }
        let is_picture = |file: &&FileSeen| matches!(file, FileSeen::Looked(sight) if sight.form == DocumentForm::Image);
        let came = u32::try_from(files.iter().filter(is_picture).count()).unwrap_or(u32::MAX);
        (came > 0 && came < declared).then_some((declared, came))
    }

    /// Numbers the pages, and notes those that are not whole.
    fn look_through(&mut self, shown: &[(usize, &DocumentSight)]) {
        let (mut number, mut damaged, mut is_cut) = (0_u32, Vec::new(), false);
        for (file, sight) in shown {
            damaged.extend(sight.damaged.iter().map(|page| number + page));
            is_cut |= sight.is_cut;
            for page in 1..=sight.pages {
                number += 1;
                self.pictures.push(PageOfFile { file: *file, page, number });
            }
        }
        if !damaged.is_empty() {
            self.notes.push(FaxNote::Damaged(damaged));
        }
        if is_cut {
            self.notes.push(FaxNote::Cut);
        }
    }

    fn choose(&mut self, pictures: FaxPictures) {
        self.pictures.truncate(match pictures {
            FaxPictures::First => 1,
            FaxPictures::All => PICTURES_MAX,
            FaxPictures::None => 0,
        });
        let shown = self.pictures.len();
        if pictures == FaxPictures::All
            && u32::try_from(shown).is_ok_and(|shown| shown < self.pages)
        {
            self.notes.push(FaxNote::SomePictures { shown });
        }
    }

    fn judge(&mut self, place: usize, file: &FileSeen) {
        let note = match file {
            FileSeen::Looked(sight) => match (sight.form, sight.trouble) {
                (DocumentForm::Pdf | DocumentForm::Tiff, Some(trouble)) => {
                    FaxNote::NotShown(place, trouble)
                }
                (DocumentForm::Pdf | DocumentForm::Tiff, None) => return,
                (DocumentForm::PostScript, _) => FaxNote::PostScript(place),
                (DocumentForm::Image, _) => {
                    if self.pages > 0 {
                        self.quiet.push(place);
                    }
                    return;
                }
                (DocumentForm::Foreign, _) => {
                    self.held.push(place);
                    FaxNote::Foreign(place)
                }
                (DocumentForm::Other, _) => FaxNote::Unknown(place),
            },
            FileSeen::Broken => FaxNote::Broken(place),
            FileSeen::TooLarge => FaxNote::TooLarge(place),
            FileSeen::Skipped => FaxNote::Skipped(place),
            FileSeen::Unopened => {
                if self.notes.contains(&FaxNote::Unopened) {
                    return;
                }
                FaxNote::Unopened
            }
            FileSeen::Passed => return,
        };
        self.notes.push(note);
    }
}

/// Something made of a file, ready to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadePost {
    /// Which file, by its place in the letter.
    pub file: usize,
    pub made: MadeFile,
    /// Its own name; it names nobody.
    pub name: String,
    pub bytes: u64,
    /// Of a picture, in pixels.
    pub size: Option<(u32, u32)>,
}

/// Names of posts leave this many places to the files and sentences of a letter as they came. What is added
/// for a fax has places of its own behind them, so that nothing else is named differently when the pages can
/// be shown at one attempt and not at the next.
const OWN_PLACES: i64 = 1_000_000;

/// Adds to the posts of a fax what is shown of it: pictures and PDFs before the files, and what there is to
/// say of them behind.
///
/// `name`: that of the letter. `said`: what the room is told; nothing if it is empty.
pub fn with_pages(
    name: &str,
    mut posts: Vec<NewPost>,
    made: &[MadePost],
    quiet: &[usize],
    said: &str,
) -> Vec<NewPost> {
    // Whatever is said before a file stays before it: the warning of a letter that is held back is the first.
    let is_file = |post: &NewPost| post.file_index.is_some();
    let behind_words = posts.iter().rposition(|post| post.speaker == Speaker::Ghost);
    let first = posts.iter().position(is_file).or(behind_words.map(|at| at + 1));
    let last = posts.iter().rposition(is_file).map(|at| at + 1).or(first);
    let (first, last) = (first.unwrap_or(posts.len()), last.unwrap_or(posts.len()));
    let hints = posts.split_off(last);
    let files = posts.split_off(first);
    posts.extend(made.iter().filter_map(|made| post_of(name, made)));
    posts.extend(files.into_iter().map(|post| quietened(post, quiet)));
    if !said.is_empty() {
        posts.push(sentence_of(name, said));
    }
    posts.extend(hints);
    posts
}

/// What the room is told of the pages.
fn sentence_of(name: &str, said: &str) -> NewPost {
    let txn_id = format!("l{name}p{}", OWN_PLACES - 1);
    let content = marked(super::posts::notice(said), &txn_id);
    let (speaker, substance) = (Speaker::Bot, Substance::Content);
    NewPost { speaker, substance, txn_id, content, file_index: None, made: None }
}

fn post_of(name: &str, made: &MadePost) -> Option<NewPost> {
    let file_index = i32::try_from(made.file).ok()?;
    let place = (i64::from(file_index) + 1) * OWN_PLACES + i64::from(made.made.number());
    let txn_id = format!("l{name}p{place}");
    Some(NewPost {
        speaker: Speaker::Ghost,
        substance: Substance::Content,
        content: marked(content_of(made), &txn_id),
        txn_id,
        file_index: Some(file_index),
        made: Some(made.made),
    })
}

/// The content of a post before its upload.
fn content_of(made: &MadePost) -> Value {
    let (kind, media_type) = match made.made {
        MadeFile::Page(_) => ("m.image", "image/png"),
        MadeFile::AllPages => ("m.file", "application/pdf"),
    };
    let mut info = json!({ "mimetype": media_type, "size": made.bytes });
    if let (Some((width, height)), Value::Object(info)) = (made.size, &mut info) {
        info.insert("w".to_owned(), json!(width));
        info.insert("h".to_owned(), json!(height));
    }
    json!({ "msgtype": kind, "body": made.name, "filename": made.name, "info": info })
}

/// A picture that shows a page once more is a file to open, and not shown.
fn quietened(mut post: NewPost, quiet: &[usize]) -> NewPost {
    let is_quiet = post
        .file_index
        .and_then(|index| usize::try_from(index).ok())
        .is_some_and(|index| quiet.contains(&index));
    if let (true, Value::Object(content)) = (is_quiet, &mut post.content) {
        content.insert("msgtype".to_owned(), json!("m.file"));
    }
    post
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(form: DocumentForm, pages: u32) -> DocumentSight {
        DocumentSight { form, pages, damaged: Vec::new(), is_cut: false, trouble: None, says: None }
    }

    fn pdf(pages: u32) -> FileSeen {
        FileSeen::Looked(sight(DocumentForm::Pdf, pages))
    }

    fn tiff(pages: u32) -> FileSeen {
        FileSeen::Looked(sight(DocumentForm::Tiff, pages))
    }

    fn other(form: DocumentForm) -> FileSeen {
        FileSeen::Looked(sight(form, 0))
    }

    /// The pages shown, as file and page; the files a PDF is made of; the notes.
    #[track_caller]
    fn check(
        files: &[FileSeen],
        pictures: FaxPictures,
        declared: Option<u32>,
        shown: &[(usize, u32)],
        to_pdf: &[usize],
        notes: &[FaxNote],
    ) {
        let view = view(files, pictures, declared);
        let pages: Vec<(usize, u32)> =
            view.pictures.iter().map(|page| (page.file, page.page)).collect();
        assert_eq!(pages, shown);
        assert_eq!(view.to_pdf, to_pdf);
        assert_eq!(view.notes, notes);
    }

    #[test]
    fn fax_3_several_files_are_one_fax_and_no_page_is_shown_twice() {
        use FaxPictures::{All, First, None as NoPictures};
        check(&[pdf(2)], First, None, &[(0, 1)], &[], &[]);
        check(&[tiff(2)], First, None, &[(0, 1)], &[0], &[]);
        check(&[tiff(2), pdf(2)], All, None, &[(1, 1), (1, 2)], &[], &[]);
        check(&[pdf(2), tiff(2)], NoPictures, None, &[], &[], &[]);
        check(&[tiff(1), tiff(2)], All, None, &[(0, 1), (1, 1), (1, 2)], &[0, 1], &[]);
        let differ = FaxNote::FormsDiffer { pdf: 2, tiff: 3 };
        for declared in [None, Some(2)] {
            let notes = std::slice::from_ref(&differ);
            check(&[pdf(2), tiff(3)], First, declared, &[(0, 1)], &[], notes);
        }
        let few = FaxNote::PagesDiffer { declared: 3, came: 2 };
        check(&[pdf(2), tiff(3)], First, Some(3), &[(0, 1)], &[], &[few, differ]);
        let mut cut = sight(DocumentForm::Pdf, 1);
        cut.is_cut = true;
        let cut = FileSeen::Looked(cut);
        check(&[cut.clone(), tiff(1)], First, None, &[(1, 1)], &[1], &[]);
        check(&[cut], First, None, &[(0, 1)], &[], &[FaxNote::Cut]);
        let files = [other(DocumentForm::Image), pdf(1)];
        check(&files, First, None, &[(1, 1)], &[], &[]);
        assert_eq!(view(&files, First, None).quiet, [0]);
        // Alone, a picture is what there is to see.
        assert_eq!(view(&files[..1], First, None).quiet, [0; 0]);
    }

    #[test]
    fn fax_6_a_declared_number_of_pages_that_did_not_come_is_said() {
        let differ = |declared| [FaxNote::PagesDiffer { declared, came: 2 }];
        for (declared, notes) in [
            (None, [].as_slice()),
            (Some(2), &[]),
            (Some(0), &[]),
            (Some(3), &differ(3)),
            (Some(1), &differ(1)),
        ] {
            check(&[pdf(2)], FaxPictures::None, declared, &[], &[], notes);
        }
        let pictures = [other(DocumentForm::Image), other(DocumentForm::Image)];
        for (declared, notes) in
            [(None, [].as_slice()), (Some(1), &[]), (Some(2), &[]), (Some(3), &differ(3))]
        {
            check(&pictures, FaxPictures::First, declared, &[], &[], notes);
        }
        // Where no page can be shown, another sentence says so.
        check(&[FileSeen::Broken], FaxPictures::First, Some(3), &[], &[], &[FaxNote::Broken(0)]);
    }

    #[test]
    fn fax_18_damaged_pages_have_their_numbers_in_the_whole_fax() {
        let mut second = sight(DocumentForm::Tiff, 3);
        second.damaged = vec![1, 3];
        second.is_cut = true;
        let files = [tiff(2), FileSeen::Looked(second)];
        let notes = [FaxNote::Damaged(vec![3, 5]), FaxNote::Cut];
        check(&files, FaxPictures::First, None, &[(0, 1)], &[0, 1], &notes);
    }

    #[test]
    fn fax_19_all_pages_are_twenty_pictures_at_most() {
        let view = view(&[pdf(21)], FaxPictures::All, None);
        assert_eq!(view.pictures.len(), PICTURES_MAX);
        assert_eq!(view.notes, [FaxNote::SomePictures { shown: PICTURES_MAX }]);
    }

    #[test]
    fn fax_12_fax_13_fax_21_what_is_no_fax_is_held_back_or_offered_with_a_sentence() {
        let mut locked = sight(DocumentForm::Pdf, 0);
        locked.trouble = Some(PageTrouble::Encrypted);
        let files = [
            FileSeen::Looked(locked),
            other(DocumentForm::PostScript),
            other(DocumentForm::Foreign),
            other(DocumentForm::Other),
            FileSeen::Broken,
            FileSeen::TooLarge,
            FileSeen::Unopened,
            FileSeen::Unopened,
            FileSeen::Skipped,
            FileSeen::Passed,
        ];
        let notes = [
            FaxNote::NotShown(0, PageTrouble::Encrypted),
            FaxNote::PostScript(1),
            FaxNote::Foreign(2),
            FaxNote::Unknown(3),
            FaxNote::Broken(4),
            FaxNote::TooLarge(5),
            FaxNote::Unopened,
            FaxNote::Skipped(8),
        ];
        check(&files, FaxPictures::All, None, &[], &[], &notes);
        assert_eq!(view(&files, FaxPictures::All, None).held, [2]);
    }

    /// Promise 2: a post keeps its name, whatever else is shown beside it.
    #[test]
    fn fax_19_what_is_made_has_names_that_move_no_other() {
        let plain = |place: usize, file_index| NewPost {
            speaker: Speaker::Ghost,
            substance: Substance::Content,
            txn_id: format!("l7p{place}"),
            content: json!({ "msgtype": "m.image" }),
            file_index,
            made: None,
        };
        let posts = || vec![plain(0, None), plain(1, Some(0)), plain(2, Some(1))];
        let made = |file, made| MadePost { file, made, name: "x".to_owned(), bytes: 9, size: None };
        let names = |posts: &[NewPost]| -> Vec<String> {
            posts.iter().map(|post| post.txn_id.clone()).collect()
        };
        let without = with_pages("7", posts(), &[], &[], "");
        assert_eq!(names(&without), ["l7p0", "l7p1", "l7p2"]);
        let both = [made(1, MadeFile::Page(1)), made(1, MadeFile::AllPages)];
        let with = with_pages("7", posts(), &both, &[0], "Fax mit einer Seite");
        let expected = ["l7p0", "l7p2000001", "l7p2000000", "l7p1", "l7p2", "l7p999999"];
        assert_eq!(names(&with), expected);
        assert_eq!(with[3].content["msgtype"], "m.file", "shows the page once more");
        assert_eq!(with[4].content["msgtype"], "m.image");
        assert!(with.iter().all(|post| crate::rules::posts::name_of(&post.txn_id) == "l7"));
    }

    /// The warning of a letter that is held back is its first post: those behind it wait for a person.
    #[test]
    fn fax_12_what_is_not_of_a_page_keeps_its_order() {
        let post = |speaker, file_index| NewPost {
            speaker,
            substance: Substance::Content,
            txn_id: format!("{speaker:?}{file_index:?}"),
            content: json!({}),
            file_index,
            made: None,
        };
        let posts = || {
            vec![
                post(Speaker::Bot, None),
                post(Speaker::Ghost, None),
                post(Speaker::Ghost, Some(0)),
                post(Speaker::Bot, Some(9)),
                post(Speaker::Bot, None),
            ]
        };
        for count in 0..=5 {
            let posts: Vec<NewPost> = posts().into_iter().take(count).collect();
            assert_eq!(with_pages("n", posts.clone(), &[], &[], ""), posts);
            let said = with_pages("n", posts.clone(), &[], &[], "Fax");
            let others: Vec<NewPost> =
                said.iter().filter(|post| !post.txn_id.starts_with('l')).cloned().collect();
            assert_eq!((others, said.len()), (posts, count + 1));
        }
    }
}

//! What lies on top of the pages of a PDF and is printed with them: filled form fields, stamps, notes
//! (ISO 32000-1 §12.5).
//!
//! Joining copies what is drawn on a page itself. What lies on top of it is a drawing of its own, its appearance.
//! Each becomes a page of a second PDF, so that it can be drawn at its place like any page: the file itself with
//! another list of pages behind it (an incremental update, §7.5.6). What is not surely printed as it is seen is
//! not guessed at: the file is then taken as a whole, or not at all.

use hayro_syntax::{
    Pdf,
    object::{Array, Dict, MaybeRef, Name, ObjRef, Object, Rect, Stream},
    page::Page,
};

/// Things on top of all pages of one file.
const PIECES_MAX: usize = 5_000;

/// Numbers of the objects behind the file: beyond those of any file that a program writes.
const FIRST_NUMBER: usize = 8_000_000;

// Bits of an annotation's `F` (table 165).
const HIDDEN: u32 = 2;
const PRINT: u32 = 4;
const NO_ROTATE: u32 = 16;
/// Those with which it is not printed as it is seen: `Invisible`, `NoView`, `ToggleNoView`.
const DOUBTFUL: u32 = 1 | 32 | 256;

/// What lies on top of the pages of a file.
pub(super) enum OnTop {
    Nothing,
    /// The pieces are pages of `pdf`, in this order.
    Drawn {
        pdf: Pdf,
        pieces: Vec<PieceOnTop>,
    },
    /// Something that is not drawn here.
    Unknown,
}

/// Something that lies on a page.
pub(super) struct PieceOnTop {
    /// The place of its page in the file.
    pub(super) page: usize,
    pub(super) width: f64,
    pub(super) height: f64,
    /// From the piece to the page as it is shown, both from their upper left corners.
    pub(super) place: [f64; 6],
}

impl OnTop {
    pub(super) fn of(pdf: &Pdf) -> Self {
        let mut found = Vec::new();
        let fields_are_stale = has_stale_fields(pdf);
        for (number, page) in pdf.pages().iter().enumerate() {
            let Some(annotations) = page.raw().get::<Object<'_>>(b"Annots".as_slice()) else {
                continue;
            };
            let Object::Array(annotations) = annotations else { return Self::Unknown };
            for annotation in annotations.iter::<Object<'_>>() {
                let Some(annotation) = annotation.into_dict() else { return Self::Unknown };
                match judge(&annotation, page, fields_are_stale) {
                    Printed::Nothing => {}
                    Printed::Piece(piece) => found.push((number, piece)),
                    Printed::Unknown => return Self::Unknown,
                }
                if found.len() > PIECES_MAX {
                    return Self::Unknown;
                }
            }
        }
        if found.is_empty() { Self::Nothing } else { drawn(pdf, found).unwrap_or(Self::Unknown) }
    }
}

/// What is printed of an annotation.
enum Printed {
    Nothing,
    Piece(DrawnPiece),
    Unknown,
}

/// The drawing of an annotation.
struct DrawnPiece {
    drawing: ObjRef,
    /// A dictionary, or a reference to one, as the file writes it.
    resources: Vec<u8>,
    area: Rect,
    place: [f64; 6],
}

/// Whether a viewer makes what the fields of a form show itself, so that what the file has may be old, or is no
/// form of this kind.
fn has_stale_fields(pdf: &Pdf) -> bool {
    let xref = pdf.xref();
    let Some(catalog) = xref.get::<Dict<'_>>(xref.root_id()) else { return true };
    catalog.get::<Dict<'_>>(b"AcroForm".as_slice()).is_some_and(|form| {
        form.contains_key(b"XFA".as_slice())
            || form.get::<bool>(b"NeedAppearances".as_slice()) == Some(true)
    })
}

fn judge(annotation: &Dict<'_>, page: &Page<'_>, fields_are_stale: bool) -> Printed {
    let kind = annotation.get::<Name<'_>>(b"Subtype".as_slice());
    let is_kind = |names: &[&[u8]]| kind.as_ref().is_some_and(|kind| names.contains(&&**kind));
    let flags = annotation.get::<u32>(b"F".as_slice()).unwrap_or_default();
    if is_kind(&[b"Link", b"Popup"]) || flags & HIDDEN != 0 {
        return Printed::Nothing;
    }
    let area = annotation.get::<Rect>(b"Rect".as_slice());
    // A signature that nobody sees has a place without size.
    if area.is_some_and(|area| area.x0 >= area.x1 || area.y0 >= area.y1) {
        return Printed::Nothing;
    }
    let is_turned = page.raw().get::<i32>(b"Rotate".as_slice()).unwrap_or_default() % 360 != 0;
    let is_field = is_kind(&[b"Widget"]);
    let (Some(area), Some(looks)) = (area, annotation.get::<Dict<'_>>(b"AP".as_slice())) else {
        return if is_field && is_empty_field(annotation) {
            Printed::Nothing
        } else {
            Printed::Unknown
        };
    };
    if flags & PRINT == 0
        || flags & DOUBTFUL != 0
        || (is_turned && flags & NO_ROTATE != 0)
        || (is_field && fields_are_stale)
        || annotation.contains_key(b"OC".as_slice())
    {
        return Printed::Unknown;
    }
    match look_of(annotation, &looks) {
        DrawnLook::Drawing(drawing, stream) => piece(drawing, &stream, area, page),
        DrawnLook::Nothing => Printed::Nothing,
        DrawnLook::Unknown => Printed::Unknown,
    }
}

/// Whether a field shows nothing although it has no appearance: nothing is written in it, and nothing around it.
fn is_empty_field(field: &Dict<'_>) -> bool {
    let kind = field.get::<Name<'_>>(b"FT".as_slice());
    kind.is_some_and(|kind| [b"Tx".as_slice(), b"Ch", b"Sig"].contains(&&*kind))
        && [b"V".as_slice(), b"DV", b"Parent", b"MK", b"RV"]
            .iter()
            .all(|key| !field.contains_key(key))
}

enum DrawnLook<'a> {
    Drawing(ObjRef, Stream<'a>),
    /// It has none in its state, such as a box that is not ticked.
    Nothing,
    Unknown,
}

fn look_of<'a>(annotation: &Dict<'a>, looks: &Dict<'a>) -> DrawnLook<'a> {
    let of = |holder: &Dict<'a>, key: &[u8]| match (
        holder.get_ref(key),
        holder.get::<Stream<'a>>(key),
    ) {
        (Some(place), Some(stream)) => DrawnLook::Drawing(place, stream),
        _ => DrawnLook::Unknown,
    };
    // A drawing can be read as a dictionary too.
    if looks.get::<Stream<'a>>(b"N".as_slice()).is_some() {
        return of(looks, b"N");
    }
    let Some(states) = looks.get::<Dict<'a>>(b"N".as_slice()) else { return DrawnLook::Unknown };
    let Some(state) = annotation.get::<Name<'a>>(b"AS".as_slice()) else {
        return DrawnLook::Unknown;
    };
    match states.contains_key(&*state) {
        true => of(&states, &state),
        false if &*state == b"Off" => DrawnLook::Nothing,
        false => DrawnLook::Unknown,
    }
}

/// A drawing at its place (§12.5.5): its box, turned by its matrix, fills the place of the annotation.
fn piece(drawing: ObjRef, stream: &Stream<'_>, area: Rect, page: &Page<'_>) -> Printed {
    let dict = stream.dict();
    let Some(own) = dict.get::<Rect>(b"BBox".as_slice()) else { return Printed::Unknown };
    let matrix = match dict.get::<Array<'_>>(b"Matrix".as_slice()) {
        None => [1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
        Some(numbers) => {
            let numbers: Vec<f64> = numbers.iter::<f32>().map(f64::from).collect();
            let Ok(matrix) = <[f64; 6]>::try_from(numbers) else { return Printed::Unknown };
            matrix
        }
    };
    let corners = [(own.x0, own.y0), (own.x1, own.y0), (own.x0, own.y1), (own.x1, own.y1)]
        .map(|corner| moved(matrix, corner));
    let least = |of: fn(&(f64, f64)) -> f64| corners.iter().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn(&(f64, f64)) -> f64| corners.iter().map(of).fold(-f64::INFINITY, f64::max);
    let (left, low) = (least(|corner| corner.0), least(|corner| corner.1));
    let (wide, high) = (most(|corner| corner.0) - left, most(|corner| corner.1) - low);
    let (width, height) = (own.x1 - own.x0, own.y1 - own.y0);
    if !(wide > 0.0 && high > 0.0 && width > 0.0 && height > 0.0) {
        return Printed::Nothing;
    }
    let (x, y) = ((area.x1 - area.x0) / wide, (area.y1 - area.y0) / high);
    let fitted = [x, 0.0, 0.0, y, area.x0 - left * x, area.y0 - low * y];
    let down = [1.0, 0.0, 0.0, -1.0, own.x0, own.y1];
    let shown = page.initial_transform(true).as_coeffs();
    let place = [shown, fitted, matrix, down].into_iter().reduce(both);
    let (Some(place), Some(resources)) = (place, resources_of(stream)) else {
        return Printed::Unknown;
    };
    if place.iter().any(|number| !number.is_finite()) {
        return Printed::Unknown;
    }
    Printed::Piece(DrawnPiece { drawing, resources, area: own, place })
}

/// What a drawing draws with. One that has nothing may use that of its page, which only old files do.
fn resources_of(stream: &Stream<'_>) -> Option<Vec<u8>> {
    match stream.dict().get_raw::<Dict<'_>>(b"Resources".as_slice()) {
        Some(MaybeRef::Ref(place)) => Some(reference(place).into_bytes()),
        Some(MaybeRef::NotRef(dict)) if !dict.data().is_empty() => Some(dict.data().to_vec()),
        _ => {
            let drawn = stream.decoded().ok()?;
            let uses = |operator: &[u8]| drawn.windows(2).any(|part| part == operator);
            let is_plain = ![b"Tf", b"Do", b"gs", b"cs", b"CS", b"sc", b"SC", b"sh"]
                .iter()
                .any(|operator| uses(operator.as_slice()));
            is_plain.then(|| b"<< >>".to_vec())
        }
    }
}

fn reference(place: ObjRef) -> String {
    format!("{} {} R", place.obj_number, place.gen_number)
}

fn moved([a, b, c, d, e, f]: [f64; 6], (x, y): (f64, f64)) -> (f64, f64) {
    (a * x + c * y + e, b * x + d * y + f)
}

/// First `second`, then `first`.
fn both(first: [f64; 6], second: [f64; 6]) -> [f64; 6] {
    let turned = |x: f64, y: f64| (first[0] * x + first[2] * y, first[1] * x + first[3] * y);
    let [a, b, c, d, e, f] = second;
    let ((a, b), (c, d), (e, f)) = (turned(a, b), turned(c, d), moved(first, (e, f)));
    [a, b, c, d, e, f]
}

/// The pieces as pages of a PDF of their own; nothing if they cannot all be read there.
fn drawn(pdf: &Pdf, found: Vec<(usize, DrawnPiece)>) -> Option<OnTop> {
    let file = pdf.data().as_ref();
    // A copy of an encrypted dictionary may not be read.
    let is_locked = file.windows(8).any(|part| part == b"/Encrypt");
    let mut made = file.to_vec();
    made.push(b'\n');
    let mut places = Vec::new();
    let pages = FIRST_NUMBER + 1;
    let kids: Vec<String> = (0..found.len()).map(|at| format!("{} 0 R", pages + 1 + at)).collect();
    let mut objects = vec![
        format!("<< /Type /Catalog /Pages {pages} 0 R >>").into_bytes(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), kids.len()).into_bytes(),
    ];
    for (_, piece) in &found {
        let Rect { x0, y0, x1, y1 } = piece.area;
        let drawing = reference(piece.drawing);
        let mut page = format!(
            "<< /Type /Page /Parent {pages} 0 R /MediaBox [{x0} {y0} {x1} {y1}] /Contents {drawing} /Resources "
        )
        .into_bytes();
        page.extend(&piece.resources);
        page.extend(b" >>");
        objects.push(page);
    }
    for (number, object) in (FIRST_NUMBER..).zip(&objects) {
        places.push(made.len());
        made.extend(format!("{number} 0 obj\n").into_bytes());
        made.extend(object);
        made.extend(b"\nendobj\n");
    }
    let table = made.len();
    made.extend(table_of(&places, previous_table(file)?, table).into_bytes());
    let made = Pdf::new(made).ok().filter(|_| !is_locked)?;
    let is_there = |page: &Page<'_>, piece: &DrawnPiece| {
        let (width, height) = page.render_dimensions();
        let is = |shown: f32, meant: f64| (f64::from(shown) - meant).abs() < 0.5;
        is(width, piece.area.x1 - piece.area.x0)
            && is(height, piece.area.y1 - piece.area.y0)
            && page.page_stream().is_some()
    };
    let are_there = made.pages().len() == found.len()
        && made.pages().iter().zip(&found).all(|(page, (_, piece))| is_there(page, piece));
    let pieces = found.into_iter().map(|(page, piece)| PieceOnTop {
        page,
        width: piece.area.x1 - piece.area.x0,
        height: piece.area.y1 - piece.area.y0,
        place: piece.place,
    });
    are_there.then(|| OnTop::Drawn { pieces: pieces.collect(), pdf: made })
}

/// The table of the objects behind the file (§7.5.4), and what refers to the file's own one.
fn table_of(places: &[usize], previous: usize, begin: usize) -> String {
    // Each row has twenty bytes.
    let rows: String = places.iter().map(|place| format!("{place:010} 00000 n \n")).collect();
    let count = places.len();
    let size = FIRST_NUMBER + count;
    format!(
        "xref\n{FIRST_NUMBER} {count}\n{rows}\
         trailer\n<< /Size {size} /Root {FIRST_NUMBER} 0 R /Prev {previous} >>\n\
         startxref\n{begin}\n%%EOF\n"
    )
}

/// Where the file's own table begins.
fn previous_table(file: &[u8]) -> Option<usize> {
    let mark = b"startxref";
    let at = file.windows(mark.len()).rposition(|part| part == mark)? + mark.len();
    let digits: Vec<u8> = file
        .get(at..)?
        .iter()
        .copied()
        .skip_while(u8::is_ascii_whitespace)
        .take_while(u8::is_ascii_digit)
        .collect();
    str::from_utf8(&digits).ok()?.parse().ok()
}

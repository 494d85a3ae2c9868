//! How style is written: strings, comments, blocks, values (CSS Syntax, CSS Color).

/// Quotation marks, and a bullet, which only separate words.
const ORNAMENTS: &str = "\"'“”„‚‘’«»•";

/// Whether a selector and its block put words where the letter has none: with `content`, or as the
/// mark of an item. In several rules together (not `is_one`), no rule hides what another one
/// writes.
pub(super) fn writes(selectors: &str, block: &str, is_one: bool) -> bool {
    let selectors = selectors.to_ascii_lowercase();
    let is_part = [":before", ":after", ":marker"].iter().any(|part| selectors.contains(part));
    let css = without_comments(block);
    let (mut is_written, mut is_gone) = (false, false);
    let mut rest = css.as_str();
    while !rest.is_empty() {
        let (declaration, mark, after) = next_mark(rest);
        rest = if mark == Some('{') { split_block(after).1 } else { after };
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let name = without_escapes(name).trim().to_ascii_lowercase();
        let value = value.trim();
        let lower = value.to_ascii_lowercase();
        match name.as_str() {
            "content" => {
                let calls = ["counter(", "counters(", "attr(", "var("];
                is_written &= !is_one;
                is_written |= (is_part
                    && (calls.iter().any(|call| lower.contains(call))
                        || is_seen_in_quotes(value, ORNAMENTS)))
                    || lower.contains("url(");
            }
            "visibility" if is_one => is_gone |= lower.starts_with("hidden"),
            "display" if is_one => is_gone |= lower.starts_with("none"),
            _ => {}
        }
    }
    is_written && !is_gone
}

/// Whether a string in a value is seen, and is more than an `ornament`.
pub(super) fn is_seen_in_quotes(value: &str, ornaments: &str) -> bool {
    let mut rest = value;
    while let Some(at) = rest.find(['"', '\'']) {
        let (_, string) = rest.split_at_checked(at).unwrap_or_default();
        let end = end_of_string(string);
        let (string, after) = string.split_at_checked(end).unwrap_or((string, ""));
        let mark = string.chars().next();
        let said = without_escapes(string.get(1..).unwrap_or_default());
        let said = mark.and_then(|mark| said.strip_suffix(mark)).unwrap_or(&said);
        let is_nothing = |c: char| {
            c.is_whitespace()
                || c.is_control()
                || matches!(c, '\u{200B}'..='\u{200F}' | '\u{FEFF}' | '\u{2060}' | '\u{AD}')
        };
        if said.contains(|c: char| !is_nothing(c) && !ornaments.contains(c)) {
            return true;
        }
        rest = after;
    }
    false
}

/// Up to the next `{`, `}` or `;` that is not within quotes or brackets; then this character, and
/// what follows.
pub(super) fn next_mark(css: &str) -> (&str, Option<char>, &str) {
    let bytes = css.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' => {
                at += end_of_string(css.get(at..).unwrap_or_default());
                continue;
            }
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'{' | b'}' | b';' if depth == 0 => {
                let (before, after) = css.split_at_checked(at).unwrap_or((css, ""));
                return (before, Some(char::from(byte)), after.get(1..).unwrap_or_default());
            }
            _ => {}
        }
        at += 1;
    }
    (css, None, "")
}

/// A block whose beginning was read, without its last brace, and what follows it.
pub(super) fn split_block(css: &str) -> (&str, &str) {
    let mut depth = 1_usize;
    let mut rest = css;
    while !rest.is_empty() {
        let (_, mark, after) = next_mark(rest);
        rest = after;
        match mark {
            Some('{') => depth += 1,
            Some('}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let end = css.len() - rest.len();
            return (css.get(..end - 1).unwrap_or_default(), rest);
        }
    }
    (css, "")
}

/// The length of the string that `css` begins with. An unclosed one ends with its line (CSS Syntax
/// §4.3.5).
fn end_of_string(css: &str) -> usize {
    let mut bytes = css.bytes().enumerate();
    let quote = bytes.next().map(|(_, byte)| byte);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => _ = bytes.next(),
            b'\n' | b'\r' | 0x0C => return at,
            byte if Some(byte) == quote => return at + 1,
            _ => {}
        }
    }
    css.len()
}

/// A number and its unit.
pub(super) fn number(value: &str) -> Option<(f32, &str)> {
    let is_unit = |c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    let at = value.find(is_unit).unwrap_or(value.len());
    let (number, unit) = value.split_at_checked(at)?;
    Some((number.parse().ok()?, unit.trim()))
}

pub(super) fn without_comments(css: &str) -> String {
    let mut kept = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(at) = rest.find(['"', '\'', '/', '\\']) {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        kept.push_str(before);
        if let Some(comment) = after.strip_prefix("/*") {
            kept.push(' ');
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
            continue;
        }
        let end = match after.bytes().next() {
            Some(b'/') => 1,
            Some(b'\\') => 1 + after.chars().nth(1).map_or(0, char::len_utf8),
            _ => end_of_string(after),
        };
        let (piece, after) = after.split_at_checked(end).unwrap_or((after, ""));
        kept.push_str(piece);
        rest = after;
    }
    kept.push_str(rest);
    kept
}

/// `line-\74 hrough` is `line-through` (CSS Syntax §4.3.7).
pub(super) fn without_escapes(css: &str) -> String {
    let mut kept = String::with_capacity(css.len());
    let mut rest = css.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            kept.push(c);
            continue;
        }
        let mut code = 0;
        let mut digits = 0;
        while let Some(digit) = rest.peek().and_then(|c| c.to_digit(16)).filter(|_| digits < 6) {
            code = code * 16 + digit;
            digits += 1;
            rest.next();
        }
        if digits == 0 {
            kept.extend(rest.next());
            continue;
        }
        kept.extend(char::from_u32(code));
        rest.next_if(char::is_ascii_whitespace);
    }
    kept
}

/// Whether a value is one of `text-decoration`, or of `text-decoration-line` alone.
pub(super) fn is_decoration(value: &str, has_more: bool) -> bool {
    const LINES: [&str; 3] = ["underline", "overline", "line-through"];
    const STYLES: [&str; 5] = ["solid", "double", "dotted", "dashed", "wavy"];
    let (mut lines, mut styles, mut colors, mut widths) = (Vec::new(), 0, 0, 0);
    // A colour may be a call that contains blanks.
    let mut rest = value;
    let mut words = Vec::new();
    while !rest.trim_start().is_empty() {
        rest = rest.trim_start();
        let blank = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let end = match rest.find('(').filter(|open| *open < blank) {
            Some(open) => match rest.find(')').filter(|close| *close > open) {
                Some(close) => close + 1,
                None => return false,
            },
            None => blank,
        };
        let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        words.push(word);
        rest = after;
    }
    for word in words {
        match word {
            _ if LINES.contains(&word) || matches!(word, "none" | "blink" | "initial") => {
                lines.push(word);
            }
            "spelling-error" | "grammar-error" => lines.push(word),
            _ if !has_more => return false,
            _ if STYLES.contains(&word) => styles += 1,
            "auto" | "from-font" => widths += 1,
            _ if is_length(word) => widths += 1,
            _ if is_color(word) => colors += 1,
            _ => return false,
        }
    }
    let stands_alone =
        |word: &&str| matches!(*word, "none" | "initial" | "spelling-error" | "grammar-error");
    let is_twice =
        lines.iter().enumerate().any(|(at, line)| lines.iter().take(at).any(|l| l == line));
    let is_clear = lines.len() < 2 || !lines.iter().any(stands_alone);
    !is_twice
        && is_clear
        && styles < 2
        && colors < 2
        && widths < 2
        && (!lines.contains(&"initial") || styles + colors + widths == 0)
}

/// A length as browsers read it: with a unit, unless it is zero.
pub(super) fn is_length(value: &str) -> bool {
    const UNITS: [&str; 19] = [
        "%", "px", "pt", "em", "rem", "ex", "ch", "cm", "mm", "q", "in", "pc", "vw", "vh", "vmin",
        "vmax", "lh", "rlh", "cap",
    ];
    number(value).is_some_and(|(n, unit)| UNITS.contains(&unit) || (unit.is_empty() && n == 0.0))
        || value.starts_with("calc(")
}

fn is_color(value: &str) -> bool {
    const CALLS: [&str; 13] = [
        "rgb(",
        "rgba(",
        "hsl(",
        "hsla(",
        "hwb(",
        "lab(",
        "lch(",
        "oklab(",
        "oklch(",
        "color(",
        "color-mix(",
        "light-dark(",
        "device-cmyk(",
    ];
    if let Some(figures) = value.strip_prefix('#') {
        let is_hex = figures.bytes().all(|b| b.is_ascii_hexdigit());
        return is_hex && matches!(figures.len(), 3 | 4 | 6 | 8);
    }
    CALLS.iter().any(|call| value.starts_with(call))
        || COLORS.split_ascii_whitespace().any(|color| color == value)
}

/// The colours that have a name (CSS Color §6), the system's and the obsolete ones as well.
const COLORS: &str = "aliceblue antiquewhite aqua aquamarine azure beige bisque black blanchedalmond \
    blue blueviolet brown burlywood cadetblue chartreuse chocolate coral cornflowerblue cornsilk \
    crimson cyan darkblue darkcyan darkgoldenrod darkgray darkgreen darkgrey darkkhaki darkmagenta \
    darkolivegreen darkorange darkorchid darkred darksalmon darkseagreen darkslateblue \
    darkslategray darkslategrey darkturquoise darkviolet deeppink deepskyblue dimgray dimgrey \
    dodgerblue firebrick floralwhite forestgreen fuchsia gainsboro ghostwhite gold goldenrod gray \
    green greenyellow grey honeydew hotpink indianred indigo ivory khaki lavender lavenderblush \
    lawngreen lemonchiffon lightblue lightcoral lightcyan lightgoldenrodyellow lightgray lightgreen \
    lightgrey lightpink lightsalmon lightseagreen lightskyblue lightslategray lightslategrey \
    lightsteelblue lightyellow lime limegreen linen magenta maroon mediumaquamarine mediumblue \
    mediumorchid mediumpurple mediumseagreen mediumslateblue mediumspringgreen mediumturquoise \
    mediumvioletred midnightblue mintcream mistyrose moccasin navajowhite navy oldlace olive \
    olivedrab orange orangered orchid palegoldenrod palegreen paleturquoise palevioletred \
    papayawhip peachpuff peru pink plum powderblue purple rebeccapurple red rosybrown royalblue \
    saddlebrown salmon sandybrown seagreen seashell sienna silver skyblue slateblue slategray \
    slategrey snow springgreen steelblue tan teal thistle tomato turquoise violet wheat white \
    whitesmoke yellow yellowgreen currentcolor transparent accentcolor accentcolortext activetext \
    buttonborder buttonface buttontext canvas canvastext field fieldtext graytext highlight \
    highlighttext linktext mark marktext selecteditem selecteditemtext visitedtext activeborder \
    activecaption appworkspace background buttonhighlight buttonshadow captiontext inactiveborder \
    inactivecaption inactivecaptiontext infobackground infotext menu menutext scrollbar \
    threeddarkshadow threedface threedhighlight threedlightshadow threedshadow window windowframe \
    windowtext";

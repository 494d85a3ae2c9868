//! What keeps the house readable: no circles inside a room, no file too long to read, no two types of
//! one name, no sentence outside `phrases`. Reads the sources with `syn`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, File, Ident, ItemEnum, ItemMacro, ItemMod, ItemStruct, ItemTrait, ItemTraitAlias,
    ItemType, ItemUnion, ItemUse, UseTree,
    parse::ParseStream,
    visit::{self, Visit},
};

use crate::layers::sources;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folders: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in folders {
        sources(&root().join(folder), &mut files);
    }
    files.sort();
    files
}

/// A module: its path (`relay::devices`) and the modules it names.
#[derive(Debug, Default)]
struct Module {
    /// Paths from the crate's root, as they were written.
    names: BTreeSet<Vec<String>>,
}

/// Reads one module; what is for tests only is left out.
struct ModuleReader {
    path: Vec<String>,
    found: Module,
}

impl ModuleReader {
    /// A path in the code, from the crate's root; nothing for other crates.
    fn note(&mut self, written: &[String]) {
        let up = written.iter().take_while(|word| *word == "super").count();
        let (mut path, rest) = match written.first().map(String::as_str) {
            Some("crate") => (Vec::new(), 1),
            Some("super") => (self.path[..self.path.len().saturating_sub(up)].to_vec(), up),
            Some("self") => (self.path.clone(), 1),
            // A child of this module, or another crate: only the first is a module of ours.
            Some(_) => (self.path.clone(), 0),
            None => return,
        };
        path.extend(written.iter().skip(rest).cloned());
        self.found.names.insert(path);
    }

    fn note_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &Ident| {
            let mut path = before.to_vec();
            path.push(name.to_string());
            path
        };
        match tree {
            UseTree::Path(path) => self.note_tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) => self.note(&with(&name.ident)),
            UseTree::Rename(name) => self.note(&with(&name.ident)),
            UseTree::Glob(_) => self.note(before),
            UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.note_tree(before, item));
            }
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<Ident>().is_ok_and(|what| what == "test")
    })
}

impl<'ast> Visit<'ast> for ModuleReader {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.note_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if words.len() > 1 {
            self.note(&words);
        }
        visit::visit_path(self, path);
    }
}

fn read(path: Vec<String>, file: &File) -> Module {
    let mut reader = ModuleReader { path, found: Module::default() };
    reader.visit_file(file);
    reader.found
}

/// The modules of the gateway without its tests, by path.
fn modules() -> BTreeMap<Vec<String>, Module> {
    let src = root().join("src");
    let mut modules = BTreeMap::new();
    for file in rust_files(&["src"]) {
        let within = file.strip_prefix(&src).unwrap().with_extension("");
        let path: Vec<String> =
            within.iter().map(|word| word.to_str().unwrap().to_owned()).collect();
        if path.iter().any(|word| word == "tests" || word.ends_with("_tests")) {
            continue;
        }
        let code = syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap();
        modules.insert(path.clone(), read(path, &code));
    }
    modules
}

/// By module, the modules it uses, without its ancestors and its descendants: a parent may use its
/// parts, and they what it holds for them.
fn arrows(modules: &BTreeMap<Vec<String>, Module>) -> BTreeMap<&[String], BTreeSet<&[String]>> {
    let module_of = |path: &[String]| {
        (1..=path.len()).rev().find_map(|length| modules.get_key_value(&path[..length]))
    };
    modules
        .iter()
        .map(|(from, module)| {
            let used = module.names.iter().filter_map(|name| module_of(name));
            let used = used.map(|(to, _)| to.as_slice());
            let apart = used.filter(|to| !to.starts_with(from) && !from.starts_with(to));
            (from.as_slice(), apart.collect())
        })
        .collect()
}

/// Modules that use each other, over however many others, each group once.
fn circles<'m>(arrows: &BTreeMap<&'m [String], BTreeSet<&'m [String]>>) -> BTreeSet<Vec<String>> {
    let reach = |from: &'m [String]| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(at) = next.pop() {
            for to in arrows.get(at).into_iter().flatten() {
                if seen.insert(*to) {
                    next.push(to);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<_, _> = arrows.keys().map(|from| (*from, reach(from))).collect();
    reached
        .iter()
        .filter(|(from, to)| to.contains(*from))
        .map(|(from, to)| {
            let back = to.iter().filter(|other| reached[*other].contains(from));
            back.map(|module| module.join("::")).collect()
        })
        .collect()
}

#[test]
fn no_modules_of_a_room_stand_in_a_circle() {
    let modules = modules();
    let circles = circles(&arrows(&modules));
    assert!(circles.is_empty(), "{circles:#?}");
}

const LINES_MAX: usize = 600;

/// How a longer file begins to say in its head why it is one.
const WHY_LONG: &str = "//! Longer than others:";

#[test]
fn no_file_is_too_long_to_read() {
    let files = rust_files(&["src", "tests", "demo", "benches", "cipher", "fuzz/fuzz_targets"]);
    assert!(files.len() > 200, "the scan sees too little");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut head = text.lines().take_while(|line| line.starts_with("//!"));
        let has_reason = head.any(|line| line.starts_with(WHY_LONG));
        let is_long = text.lines().count() > LINES_MAX;
        let name = file.strip_prefix(root()).unwrap().display();
        assert!(!is_long || has_reason, "{name} has over {LINES_MAX} lines: split it");
        assert!(is_long || !has_reason, "{name} is short, and says why it is long");
    }
}

/// Where types are defined, by their names: those of modules, of functions, of tests.
#[derive(Default)]
struct TypeNames {
    /// The file that is read.
    file: String,
    places: BTreeMap<String, Vec<String>>,
}

impl TypeNames {
    fn read(&mut self, file: &str, code: &str) {
        file.clone_into(&mut self.file);
        self.visit_file(&syn::parse_file(code).unwrap());
    }

    fn note(&mut self, kind: &str, name: &Ident) {
        let place = format!("{kind} in {}", self.file);
        self.places.entry(name.to_string()).or_default().push(place);
    }

    /// The names that several types share, each with the places of all of them.
    fn clashes(&self) -> Vec<String> {
        let several = self.places.iter().filter(|(_, places)| places.len() > 1);
        several.map(|(name, places)| format!("{name}: {}", places.join(", "))).collect()
    }
}

/// A macro of ours that makes a type gets the type's name first, after its doc.
fn named_first(input: ParseStream<'_>) -> syn::Result<Ident> {
    input.call(Attribute::parse_outer)?;
    let name = input.parse()?;
    input.step(|cursor| {
        let mut rest = *cursor;
        while let Some((_, behind)) = rest.token_tree() {
            rest = behind;
        }
        Ok(((), rest))
    })?;
    Ok(name)
}

impl<'ast> Visit<'ast> for TypeNames {
    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.note("struct", &item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.note("enum", &item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_union(&mut self, item: &'ast ItemUnion) {
        self.note("union", &item.ident);
        visit::visit_item_union(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.note("trait", &item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_trait_alias(&mut self, item: &'ast ItemTraitAlias) {
        self.note("trait", &item.ident);
        visit::visit_item_trait_alias(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast ItemType) {
        self.note("type", &item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        if let Ok(name) = item.mac.parse_body_with(named_first)
            && name.to_string().starts_with(|first: char| first.is_ascii_uppercase())
        {
            self.note("macro", &name);
        }
    }
}

#[test]
fn no_two_types_bear_one_name() {
    let mut types = TypeNames::default();
    for file in rust_files(&["src", "tests", "demo", "benches", "cipher", "fuzz"]) {
        let name = file.strip_prefix(root()).unwrap().display().to_string();
        // The targets that cargo-fuzz builds are not ours.
        if !name.starts_with("fuzz/target/") {
            types.read(&name, &fs::read_to_string(&file).unwrap());
        }
    }
    assert!(types.places.len() > 500, "the scan sees too little");
    for seen in ["Portal", "LetterId", "DeliveryState", "MessagesAnswer"] {
        assert!(types.places.contains_key(seen), "the scan does not see {seen}");
    }
    let clashes = types.clashes();
    assert!(clashes.is_empty(), "one name, several types: {clashes:#?}");
}

#[test]
fn types_of_one_name_are_found_wherever_they_are() {
    let mut types = TypeNames::default();
    types.read(
        "a.rs",
        "use b::Place; struct Room<Id>(Id); trait Wakes { type Item; } row_id!(/** A row. */ Letter);
         impl Wakes for Room<u8> { type Item = u8; } thread_local! { static X: u8 = 1; }
         #[cfg(test)] mod tests { enum Post { Room } } macro_rules! m { (Alone) => {}; }",
    );
    types.read(
        "b.rs",
        "fn f<Id>() { type Room = u8; struct Post; } trait Letter {} enum Alone { Item } struct Item;
         mod inner { union Place { a: u8 } } impl Alone { fn g() { struct Post; } }",
    );
    let clashes = [
        "Letter: macro in a.rs, trait in b.rs",
        "Post: enum in a.rs, struct in b.rs, struct in b.rs",
        "Room: struct in a.rs, type in b.rs",
    ];
    assert_eq!(types.clashes(), clashes);
}

/// The texts in the code of a file, its tests apart. Texts in calls of macros come as the call is written.
#[derive(Default)]
struct TextReader(Vec<String>);

impl<'ast> Visit<'ast> for TextReader {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.0.push(text.value());
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.0.push(call.tokens.to_string());
    }
}

/// Whether a text is German that people read: it has two of the words that hold such sentences together.
fn is_german(text: &str) -> bool {
    let of_sentences =
        ["der", "die", "das", "nicht", "ist", "und", "wird", "wurde", "bitte", "sie"];
    let words: BTreeSet<String> =
        text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect();
    of_sentences.iter().filter(|word| words.contains(**word)).count() >= 2
}

/// What people read stands in `phrases`, in each language. English sentences are in the log, so they cannot be
/// told apart here.
#[test]
fn no_german_sentence_stands_in_the_code() {
    assert!(is_german("Bitte fragen Sie nach, und warten Sie.") && !is_german("Fax an die Praxis"));
    let (mut seen, mut found) = (0, Vec::new());
    for file in rust_files(&["src"]) {
        let name = file.strip_prefix(root()).unwrap().display().to_string();
        let is_test = |part: &str| part == "tests" || part == "tests.rs" || part.contains("_tests");
        if name.starts_with("src/phrases") || name.split('/').any(is_test) {
            continue;
        }
        let mut texts = TextReader::default();
        texts.visit_file(&syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap());
        seen += texts.0.len();
        let german = texts.0.into_iter().filter(|text| is_german(text));
        found.extend(german.map(|text| format!("{name}: {text}")));
    }
    // What a Clientmodul says in its notes, which are read and not said.
    let is_read = |text: &String| text.starts_with("src/mail/kim_note.rs: Die ");
    assert!(found.iter().any(is_read), "the exception is not needed any more");
    found.retain(|text| !is_read(text));
    assert!(seen > 3_000, "the scan sees too little: {seen}");
    assert!(found.is_empty(), "sentences outside phrases: {found:#?}");
}

#[test]
fn the_reader_sees_what_it_should() {
    let code = "use super::{b::B, c}; use std::fmt; struct A; fn f() { crate::x::y::g(); d::h() }
                #[cfg(test)] mod tests { use super::super::q; struct T; }";
    let path = vec!["room".to_owned(), "a".to_owned()];
    let module = read(path, &syn::parse_file(code).unwrap());
    let names: Vec<String> = module.names.iter().map(|name| name.join("::")).collect();
    assert_eq!(names, ["room::a::d::h", "room::a::std::fmt", "room::b::B", "room::c", "x::y::g"]);
    let modules = [("a", "b"), ("b", "c"), ("c", "b"), ("d", "a")].map(|(from, to)| {
        let module = Module { names: [vec![to.to_owned()]].into() };
        (vec![from.to_owned()], module)
    });
    let circle = vec!["b".to_owned(), "c".to_owned()];
    assert_eq!(circles(&arrows(&modules.into())), [circle].into());
}

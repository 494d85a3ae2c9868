//! The command line in German: clap speaks English, and lets all of it be replaced.

use clap::{
    Arg, ArgAction, Command, Error,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::phrases::{COMMAND_PLACEHOLDER, OPTIONS_PLACEHOLDER, german_help, german_placeholder};

/// The same command line, with German help.
pub fn in_german(command: Command) -> Command {
    let mut command = translated(command, &[]);
    // Only then do clap's own commands exist.
    command.build();
    with_german_help_command(command)
}

/// The name of a help text: the commands, and perhaps the argument. The program itself has no name
/// in it.
fn id(path: &[String], argument: Option<&str>) -> String {
    let names: Vec<&str> = path.iter().map(String::as_str).chain(argument).collect();
    if names.is_empty() { "program".to_owned() } else { names.join("-").replace('_', "-") }
}

fn text(id: &str) -> String {
    german_help(id, &[]).unwrap_or_default()
}

/// The short help, followed by the rest of the long one.
fn long(id: &str) -> Option<String> {
    let more = german_help(&format!("{id}-long"), &[])?;
    Some(format!("{}\n\n{more}", text(id)))
}

fn translated(mut command: Command, path: &[String]) -> Command {
    let names: Vec<String> =
        command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in &names {
        let mut below = path.to_vec();
        below.push(name.clone());
        command = command.mut_subcommand(name, |sub| translated(sub, &below));
    }
    command = command.mut_args(|argument| translated_argument(argument, path));
    if command.is_hide_set() {
        return command;
    }
    let id = id(path, None);
    // The program's long help says everything by itself.
    let long = if path.is_empty() { german_help("program-long", &[]) } else { long(&id) };
    if let Some(long) = long {
        command = command.long_about(long);
    }
    if let Some(after) = german_help(&format!("{id}-after"), &[]) {
        command = command.after_long_help(after);
    }
    let positionals: Vec<String> = command
        .get_positionals()
        .filter_map(|argument| argument.get_value_names())
        .flatten()
        .map(|name| format!(" <{name}>"))
        .collect();
    let mut usage = format!("{} {OPTIONS_PLACEHOLDER}", program(path));
    let mut template = format!("{{about-with-newline}}\n{} {{usage}}\n", text("heading-usage"));
    if names.is_empty() {
        usage.push_str(&positionals.concat());
    } else {
        usage.push_str(&format!(" <{COMMAND_PLACEHOLDER}>"));
        template.push_str(&format!("\n{}\n{{subcommands}}\n", text("heading-commands")));
    }
    if !positionals.is_empty() {
        template.push_str(&format!("\n{}\n{{positionals}}\n", text("heading-arguments")));
    }
    template.push_str(&format!("\n{}\n{{options}}{{after-help}}", text("heading-options")));
    command = command
        .about(text(&id))
        .override_usage(usage)
        .help_template(template)
        .subcommand_value_name(COMMAND_PLACEHOLDER)
        .disable_help_flag(true)
        .arg(flag("help", 'h', ArgAction::Help));
    if path.is_empty() {
        command = command.disable_version_flag(true).arg(flag("version", 'V', ArgAction::Version));
    }
    command
}

/// What is typed to call this command.
fn program(path: &[String]) -> String {
    ["umstieg"].into_iter().chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}

/// A flag that clap would make itself; these come last.
fn flag(name: &'static str, short: char, action: ArgAction) -> Arg {
    let help = text(&format!("{name}-flag"));
    Arg::new(name).short(short).long(name).action(action).display_order(999).help(help)
}

fn translated_argument(argument: Arg, path: &[String]) -> Arg {
    if argument.is_hide_set() {
        return argument;
    }
    let path = if argument.is_global_set() { &[] } else { path };
    let id = id(path, Some(argument.get_id().as_str()));
    let name = argument.get_value_names().and_then(|names| names.first());
    let placeholder = name.and_then(|name| german_placeholder(name));
    let has_value = argument.get_action().takes_values();
    let mut argument = argument.help(text(&id));
    if has_value {
        // What clap adds in brackets is English; the German help says it itself.
        argument = argument.hide_default_value(true).hide_env(true).hide_possible_values(true);
    }
    if let Some(placeholder) = placeholder {
        argument = argument.value_name(placeholder);
    }
    match long(&id) {
        Some(long) => argument.long_help(long),
        None => argument,
    }
}

fn with_german_help_command(mut command: Command) -> Command {
    let names: Vec<String> =
        command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(&name, |sub| match name.as_str() {
            "help" => sub.about(text("help-command")),
            _ => with_german_help_command(sub),
        });
    }
    command
}

/// What is wrong with a command line, in German; nothing if clap's message is no error but the help
/// or the version.
pub fn mistake_in_german(error: &Error) -> Option<String> {
    let told = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let argument = told(ContextKind::InvalidArg);
    let value = told(ContextKind::InvalidValue);
    let allowed = told(ContextKind::ValidValue);
    let command = told(ContextKind::InvalidSubcommand);
    let named =
        [("argument", argument.as_str()), ("text", value.as_str()), ("allowed", allowed.as_str())];
    let mut lines = vec![match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return None,
        ErrorKind::InvalidSubcommand => german_help("wrong-command", &[("text", command.as_str())]),
        ErrorKind::MissingSubcommand => {
            german_help("wrong-no-command", &[("command", command.as_str())])
        }
        ErrorKind::UnknownArgument => german_help("wrong-argument", &named),
        ErrorKind::InvalidValue if value.is_empty() => german_help("wrong-empty", &named),
        ErrorKind::InvalidValue => german_help("wrong-value", &named),
        ErrorKind::ValueValidation => german_help("wrong-form", &named),
        ErrorKind::MissingRequiredArgument => german_help("wrong-missing", &named),
        ErrorKind::ArgumentConflict => german_help("wrong-twice", &named),
        _ => german_help("wrong-other", &[]),
    }?];
    let similar =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue]
            .map(told);
    if let Some(similar) = similar.iter().find(|similar| !similar.is_empty()) {
        lines.extend(german_help("wrong-similar", &[("text", similar.as_str())]));
    }
    // clap names the command whose own command is missing, with those above it.
    let helped = if error.kind() == ErrorKind::MissingSubcommand { &command } else { "umstieg" };
    lines.extend(german_help("wrong-help", &[("command", helped)]));
    Some(lines.join("\n  "))
}

//! The terminal's output: headings, steps with their time, and quotes of what was seen.

use std::{
    error::Error,
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use umstieg_world::WorldError;

use crate::DemoError;

/// Shorter steps go without their time.
const WORTH_TELLING: Duration = Duration::from_millis(100);

/// What a step should have shown, and what was seen instead.
#[derive(Debug)]
pub(crate) struct Miss {
    pub(crate) expected: String,
    pub(crate) seen: String,
}

impl Miss {
    pub(crate) fn new(expected: impl Display, seen: impl Display) -> Self {
        Self { expected: expected.to_string(), seen: seen.to_string() }
    }

    /// Something failed that has only to work.
    pub(crate) fn of(expected: impl Display, error: &dyn Error) -> Self {
        let mut seen = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            seen.push_str(&format!("\nbecause: {error}"));
            cause = error.source();
        }
        Self::new(expected, seen)
    }
}

impl From<WorldError> for Miss {
    fn from(error: WorldError) -> Self {
        match error {
            WorldError::Unseen { what, waited, seen } => {
                Self::new(format!("{what}, within {} s", waited.as_secs()), seen)
            }
            other => Self::of("that it works", &other),
        }
    }
}

/// The terminal.
#[derive(Debug)]
pub(crate) struct Tale {
    begun: Instant,
    is_terminal: bool,
    has_colours: bool,
    heading: String,
    steps: u32,
}

impl Tale {
    pub(crate) fn begin() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let has_colours = is_terminal && std::env::var_os("NO_COLOR").is_none();
        Self { begun: Instant::now(), is_terminal, has_colours, heading: String::new(), steps: 0 }
    }

    pub(crate) fn heading(&mut self, heading: &str) -> Result<(), DemoError> {
        self.heading = heading.to_owned();
        self.say(&format!("\n{}\n", self.coloured("1", heading)))
    }

    /// Separate lines, as they are.
    pub(crate) fn say(&self, lines: &str) -> Result<(), DemoError> {
        let mut out = io::stdout().lock();
        out.write_all(lines.as_bytes()).and_then(|()| out.flush()).map_err(DemoError::Terminal)
    }

    /// What a person wrote or sees, set off from the story.
    pub(crate) fn quote(&self, lines: &str) -> Result<(), DemoError> {
        let quoted: String = lines
            .trim_end()
            .lines()
            .map(|line| format!("    │ {line}").trim_end().to_owned() + "\n")
            .collect();
        self.say(&self.coloured("2", &quoted))
    }

    /// Something done that took no time.
    pub(crate) fn done(&self, sentence: &str) -> Result<(), DemoError> {
        self.say(&format!("  {} {sentence}\n", self.coloured("32", "✓")))
    }

    /// Tells what is being waited for, waits, and tells how long it took.
    pub(crate) async fn step<T>(
        &mut self,
        sentence: &str,
        work: impl Future<Output = Result<T, Miss>>,
    ) -> Result<T, DemoError> {
        if self.is_terminal {
            self.say(&format!("  … {sentence}"))?;
        }
        let begun = Instant::now();
        let result = work.await;
        if self.is_terminal {
            self.say("\r\u{1b}[2K")?;
        }
        let value = result.map_err(|miss| self.missed(sentence, miss))?;
        self.steps += 1;
        match begun.elapsed() {
            time if time < WORTH_TELLING => self.done(sentence)?,
            time => self.done(&format!("{sentence} ({})", seconds(time)))?,
        }
        Ok(value)
    }

    /// The end of the tale: a step that was not seen.
    pub(crate) fn missed(&self, step: &str, miss: Miss) -> DemoError {
        let Miss { expected, seen } = miss;
        DemoError::Step { heading: self.heading.clone(), step: step.to_owned(), expected, seen }
    }

    /// How many steps were seen, and how long all of it took.
    pub(crate) fn sum(&self) -> String {
        format!("{} steps seen in {}", self.steps, seconds(self.begun.elapsed()))
    }

    /// Says which step was not seen, what it should have shown, and what was seen instead.
    pub(crate) fn failed(&self, error: &DemoError) -> Result<(), DemoError> {
        let cross = self.coloured("31", "✗");
        let DemoError::Step { heading, step, expected, seen } = error else {
            return self.say(&format!("  {cross} {error}\n"));
        };
        self.say(&format!(
            "  {cross} {step}\n\nThe demo failed.\n  step      {heading}: {step}\n  expected  {}\n  \
             seen      {}\n",
            under(expected),
            under(seen),
        ))
    }

    fn coloured(&self, code: &str, text: &str) -> String {
        match self.has_colours {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f32())
}

/// Further lines stand under the first one.
fn under(text: &str) -> String {
    text.trim().replace('\n', "\n            ")
}

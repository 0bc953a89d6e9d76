use std::fmt;

/// A command's failure, with advice.
#[derive(Debug)]
pub(crate) enum Failure {
    Reported {
        what: String,
        todo: String,
    },
    /// A test that couldn't be run, as distinct from one that failed.
    NotRun {
        what: String,
        todo: String,
    },
    /// Standard output is closed, as in `rialto config list | head -1`.
    OutputClosed,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self::Reported { what: what.into(), todo: todo.into() }
    }

    /// The same failure of what couldn't even be run.
    pub(crate) fn not_run(self) -> Self {
        match self {
            Self::Reported { what, todo } => Self::NotRun { what, todo },
            other => other,
        }
    }

    /// The exit status of the command.
    pub(crate) const fn status(&self) -> u8 {
        match self {
            Self::Reported { .. } => 1,
            Self::NotRun { .. } => 2,
            // The reader of the output stopped reading.
            Self::OutputClosed => 0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported { what, todo } | Self::NotRun { what, todo } => {
                write!(f, "{what}\n  {todo}")
            }
            Self::OutputClosed => f.write_str("The output is closed."),
        }
    }
}

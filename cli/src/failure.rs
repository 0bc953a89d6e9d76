use std::fmt;

/// A command's failure, with advice.
#[derive(Debug)]
pub(crate) enum Failure {
    Reported {
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
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported { what, todo } => write!(f, "{what}\n  {todo}"),
            Self::OutputClosed => f.write_str("The output is closed."),
        }
    }
}

use crate::failure::Failure;
use std::io::{ErrorKind, Write};

/// Prints a result: a line on standard output.
///
/// # Errors
/// [`Failure`] if standard output is closed.
pub(crate) fn print(line: impl AsRef<str>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", line.as_ref()).and_then(|()| out.flush()).map_err(|error| {
        match error.kind() {
            ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::new(
                format!("Can't write to standard output: {error}"),
                "Redirect it elsewhere.",
            ),
        }
    })
}

/// Prints progress: a line on standard error.
pub(crate) fn progress(line: impl AsRef<str>) {
    eprintln!("{}", line.as_ref());
}

/// Formats rows as a table; every column is as wide as its widest cell.
pub(crate) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> Vec<String> {
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let cells = |row: &[String; COLUMNS]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(cells).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["a", "été", "x"], ["long", "b", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), ["a     été  x", "long  b"]);
    }
}

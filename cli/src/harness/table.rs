//! The results in the terminal: a table that is updated in place, or a line for each result when
//! standard output isn't a terminal.

use super::{Scenario, ScenarioResult};
use crate::{failure::Failure, output::print};
use std::{
    io::{IsTerminal, Write},
    time::Duration,
};

pub(crate) struct ResultTable {
    live: bool,
    rows: Vec<Row>,
    /// How many lines of the table are on the screen.
    drawn: usize,
}

#[derive(Debug, Clone)]
struct Row {
    name: String,
    steps: usize,
    status: Status,
}

#[derive(Debug, Clone)]
enum Status {
    Waiting,
    Running { done: usize, since: Duration },
    Passed(Duration),
    Failed(Duration, String),
}

impl ResultTable {
    /// A table in place, if standard output is a terminal.
    pub(crate) fn new() -> Self {
        Self { live: std::io::stdout().is_terminal(), rows: Vec::new(), drawn: 0 }
    }

    /// Starts a table of these scenarios.
    ///
    /// # Errors
    /// [`Failure`] if standard output is closed.
    pub(crate) fn begin(&mut self, scenarios: &[Scenario]) -> Result<(), Failure> {
        let row = |scenario: &Scenario| Row {
            name: scenario.name.clone(),
            steps: scenario.steps.len(),
            status: Status::Waiting,
        };
        self.rows = scenarios.iter().map(row).collect();
        self.drawn = 0;
        self.draw()
    }

    pub(crate) fn progress(&mut self, at: usize, done: usize, since: Duration) {
        self.rows[at].status = Status::Running { done, since };
    }

    /// # Errors
    /// [`Failure`] if standard output is closed.
    pub(crate) fn finish(&mut self, at: usize, result: &ScenarioResult) -> Result<(), Failure> {
        self.rows[at].status = match &result.result {
            Ok(()) => Status::Passed(result.took),
            Err(broken) => Status::Failed(result.took, broken.step.clone()),
        };
        if self.live { self.draw() } else { print(self.line(&self.rows[at])) }
    }

    /// Draws the table over the last one.
    ///
    /// # Errors
    /// [`Failure`] if standard output is closed.
    pub(crate) fn draw(&mut self) -> Result<(), Failure> {
        if !self.live {
            return Ok(());
        }
        let mut text = String::new();
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn));
        }
        for row in &self.rows {
            // Erases what is left of a longer line.
            text.push_str(&format!("{}\x1b[K\n", self.line(row)));
        }
        self.drawn = self.rows.len();
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|_| Failure::OutputClosed)
    }

    fn line(&self, row: &Row) -> String {
        let width = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let (sign, rest) = match &row.status {
            Status::Waiting => ("      ", String::new()),
            Status::Running { done, since } => {
                let step = match done < &row.steps {
                    true => format!("step {} of {}", done + 1, row.steps),
                    false => "invariants".to_owned(),
                };
                ("      ", format!("{}  {step}", seconds(*since)))
            }
            Status::Passed(took) => ("passed", seconds(*took)),
            Status::Failed(took, step) => ("FAILED", format!("{}  {step}", seconds(*took))),
        };
        format!("{sign}  {:width$}  {rest}", row.name).trim_end().to_owned()
    }
}

fn seconds(time: Duration) -> String {
    format!("{:>5.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_and_show_the_failed_step() {
        let row = |name: &str, status| Row { name: name.to_owned(), steps: 9, status };
        let table = ResultTable {
            live: false,
            rows: vec![
                row("a", Status::Passed(Duration::from_millis(2_345))),
                row("longer", Status::Failed(Duration::from_secs(61), "never X".to_owned())),
                row("b", Status::Running { done: 2, since: Duration::from_secs(1) }),
                row("c", Status::Waiting),
                row("d", Status::Running { done: 9, since: Duration::from_secs(12) }),
            ],
            drawn: 0,
        };
        let lines: Vec<_> = table.rows.iter().map(|row| table.line(row)).collect();
        assert_eq!(
            lines,
            [
                "passed  a         2.3 s",
                "FAILED  longer   61.0 s  never X",
                "        b         1.0 s  step 3 of 9",
                "        c",
                "        d        12.0 s  invariants",
            ]
        );
    }
}

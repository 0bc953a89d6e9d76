use crate::{
    api::{Api, Session},
    context::Context,
    failure::Failure,
    output::print,
    timeline::{OrderStatus, TimelinePrinter, TimelineRow},
};
use clap::{Args, value_parser};
use rialto_kernel::OrderId;
use std::time::{Duration, Instant};

/// Show an order's events
///
/// Each event has the milliseconds since the order was placed and since the previous event. The
/// last line is the order's status.
#[derive(Debug, Args)]
pub(crate) struct OrderTimeline {
    /// The order's id
    #[arg(value_name = "ORDER_ID", value_parser = OrderId::parse)]
    order: OrderId,
    /// Follow until the order is confirmed, cancelled or completed and no more events arrive
    #[arg(long)]
    follow: bool,
    /// How long to follow
    #[arg(long, value_name = "SECONDS", default_value_t = DEADLINE.as_secs(), value_parser = value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// The email to log in with, by default that of the demo shop's supervisor
    ///
    /// The order's buyer or any supervisor. RIALTO_PASSWORD is the password.
    #[arg(long, env = "RIALTO_EMAIL", hide_env_values = true)]
    email: Option<String>,
}

pub(super) const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Follow-up events of a settled order, such as a refund, begin to arrive within this time.
const QUIET: Duration = Duration::from_millis(1500);

impl OrderTimeline {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let api = context.api()?;
        let (email, password) = self.account(context)?;
        let session = api.log_in(&email, &password).await?;
        let order = self.order.to_string();
        if self.follow {
            return follow(&api, &session, &order, Duration::from_secs(self.timeout)).await;
        }
        let mut timeline = TimelinePrinter::default();
        let standing = poll(&api, &session, &order, &mut timeline).await?.0;
        print(timeline.summary_line(&standing))
    }

    /// The account to log in as.
    fn account(&self, context: &Context) -> Result<(String, String), Failure> {
        if let Some(email) = self.email.clone().filter(|email| !email.is_empty()) {
            let password = std::env::var("RIALTO_PASSWORD").map_err(|_| {
                Failure::new(format!("The password of {email} is missing."), "Set RIALTO_PASSWORD.")
            })?;
            return Ok((email, password));
        }
        match &context.local.content.accounts.supervisor {
            Some(account) => Ok((account.email.clone(), account.password.clone())),
            None => Err(Failure::new(
                format!("{} has no supervisor to log in as.", context.local.path.display()),
                "Run rialto seed, or give --email and RIALTO_PASSWORD of a supervisor or the order's buyer.",
            )),
        }
    }
}

/// Prints each event as it arrives, until the order is settled and no event arrives for a moment.
///
/// # Errors
/// [`Failure`] of the API, or if the order isn't settled in time.
pub(super) async fn follow(
    api: &Api,
    session: &Session,
    order: &str,
    deadline: Duration,
) -> Result<(), Failure> {
    let mut timeline = TimelinePrinter::default();
    let started = Instant::now();
    let mut last_news = started;
    loop {
        let (standing, news) = poll(api, session, order, &mut timeline).await?;
        if news {
            last_news = Instant::now();
        }
        if standing.is_settled() && last_news.elapsed() >= QUIET {
            return print(timeline.summary_line(&standing));
        }
        if started.elapsed() > deadline {
            return match standing.is_settled() {
                true => print(timeline.summary_line(&standing)),
                false => Err(Failure::new(
                    format!("{order} is still {} after {} s.", standing.state, deadline.as_secs()),
                    "Follow it longer with --timeout. If nothing more comes, the last event above names the service; see \
                     the log of the one that comes next, and its dead-letter queue.",
                )),
            };
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Prints new events. Returns the order's status, and whether there were new events.
async fn poll(
    api: &Api,
    session: &Session,
    order: &str,
    timeline: &mut TimelinePrinter,
) -> Result<(OrderStatus, bool), Failure> {
    // Status first: the events that led to it are then in the timeline.
    let standing = api.get(format!("/orders/{order}")).by(session).read().await?;
    let entries: Vec<TimelineRow> =
        api.get(format!("/orders/{order}/timeline")).by(session).read().await?;
    if timeline.is_empty() && !entries.is_empty() {
        print(TimelinePrinter::HEADING)?;
    }
    let lines = timeline.print(&entries);
    lines.iter().try_for_each(print)?;
    Ok((standing, !lines.is_empty()))
}

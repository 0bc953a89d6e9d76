//! The commands, one file each.

mod config_get;
mod config_list;
mod config_set;
mod dlq_list;
mod dlq_redrive;
mod dlq_show;
mod harness;
mod keys_init;
mod keys_rotate;
mod order_place;
mod order_timeline;
mod outbox_resend;
mod reconcile;
mod refunds_retry;
mod saga_stuck;
mod seed;
mod supervisor_create;

use crate::{context::Context, failure::Failure};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Signing keys of access tokens.
    #[command(subcommand)]
    Keys(Keys),
    /// Supervisor accounts, which may call every route.
    #[command(subcommand)]
    Supervisor(Supervisor),
    /// Settings of a stage, stored in the parameter store.
    #[command(subcommand)]
    Config(Config),
    Seed(seed::Seed),
    /// Orders of the demo shop, and the timeline of any order.
    #[command(subcommand)]
    Order(Order),
    /// Dead letters: messages that couldn't be delivered or published.
    #[command(subcommand)]
    Dlq(Dlq),
    /// Outboxes: events stored with items, for publishing again.
    #[command(subcommand)]
    Outbox(Outbox),
    /// Sagas: orders that are in progress.
    #[command(subcommand)]
    Saga(Saga),
    /// Refunds: those that the payment provider refused.
    #[command(subcommand)]
    Refunds(Refunds),
    Reconcile(reconcile::Reconcile),
    Harness(harness::Harness),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    Init(keys_init::KeysInit),
    Rotate(keys_rotate::KeysRotate),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Supervisor {
    Create(supervisor_create::SupervisorCreate),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    Get(config_get::ConfigGet),
    Set(config_set::ConfigSet),
    List(config_list::ConfigList),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    Place(order_place::OrderPlace),
    Timeline(order_timeline::OrderTimeline),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Dlq {
    List(dlq_list::DlqList),
    Show(dlq_show::DlqShow),
    Redrive(dlq_redrive::DlqRedrive),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Outbox {
    Resend(outbox_resend::OutboxResend),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Saga {
    Stuck(saga_stuck::SagaStuck),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Refunds {
    Retry(refunds_retry::RefundsRetry),
}

impl Command {
    /// # Errors
    /// [`Failure`] with the cause and advice.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Keys(Keys::Init(command)) => command.run(context).await,
            Self::Keys(Keys::Rotate(command)) => command.run(context).await,
            Self::Supervisor(Supervisor::Create(command)) => command.run(context).await,
            Self::Config(Config::Get(command)) => command.run(context).await,
            Self::Config(Config::Set(command)) => command.run(context).await,
            Self::Config(Config::List(command)) => command.run(context).await,
            Self::Seed(command) => command.run(context).await,
            Self::Order(Order::Place(command)) => command.run(context).await,
            Self::Order(Order::Timeline(command)) => command.run(context).await,
            Self::Dlq(Dlq::List(command)) => command.run(context).await,
            Self::Dlq(Dlq::Show(command)) => command.run(context).await,
            Self::Dlq(Dlq::Redrive(command)) => command.run(context).await,
            Self::Outbox(Outbox::Resend(command)) => command.run(context).await,
            Self::Saga(Saga::Stuck(command)) => command.run(context).await,
            Self::Refunds(Refunds::Retry(command)) => command.run(context).await,
            Self::Reconcile(command) => command.run(context).await,
            Self::Harness(command) => command.run(context).await,
        }
    }
}

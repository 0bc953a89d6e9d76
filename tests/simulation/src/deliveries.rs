//! The way of an event: from a relay through a queue to its consumer.

use crate::{
    invocations::{Ending, Invocation},
    queues::{Consumer, MessageId},
    races::Race,
    stores::Simulated,
    world::{Source, World},
};
use rialto_contracts::Event;
use rialto_lambda::sqs::{Failure, Message, Outcome};
use std::{pin::Pin, sync::Arc, time::Duration};

impl World {
    /// Publishes the next events of a source to the queues of their consumers.
    pub(crate) fn relay(&mut self, source: Source) {
        let events = self.unpublished(source);
        let count = 1 + self.choose(events.len().min(5));
        for event in events.into_iter().take(count) {
            let rules = Arc::clone(&self.rules);
            for (consumer, delay) in rules.consumers(&event) {
                self.deliver(consumer, &event, delay);
                if self.happens(|faults| faults.duplicate) {
                    self.deliver(consumer, &event, delay);
                }
            }
        }
        if self.happens(|faults| faults.republication) {
            self.races.reach(Race::RepeatedPublication);
            self.note(|| format!("the relay of {source:?} publishes {count} events and crashes"));
            return;
        }
        self.note(|| format!("the relay of {source:?} publishes {count} events"));
        self.relayed[source as usize] += count;
    }

    pub(crate) fn deliver(&mut self, consumer: Consumer, event: &Event, delay: Duration) {
        let mut pause = delay + Duration::from_millis(self.choose(200) as u64);
        if self.happens(|faults| faults.delay) {
            pause += Duration::from_secs(self.choose(120) as u64);
        }
        self.queues.send(consumer, event.clone(), self.now().plus(pause));
    }

    /// Receives a message and invokes its consumer.
    pub(crate) fn receive(&mut self, at: usize) {
        let Some(message) = self.queues.receive(at, self.now()) else {
            self.races.reach(Race::DeadLetter);
            return;
        };
        if self.in_progress(message.id) {
            self.races.reach(Race::ConcurrentDeliveries);
        }
        let id = self.next_id();
        let clock = self.clock();
        let delivered = Message::new(message.event.clone(), clock.now(), &self.span);
        let orders = Simulated { inner: self.orders.clone(), io: self.board.io(id) };
        let inventory = Simulated { inner: self.inventory.clone(), io: self.board.io(id) };
        let payments = Simulated { inner: self.payments.clone(), io: self.board.io(id) };
        let provider = Simulated { inner: self.provider.clone(), io: self.board.io(id) };
        let future: Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + Send>> = match message
            .consumer
        {
            Consumer::InventoryOnCatalog => {
                Box::pin(rialto_inventory::entrypoints::on_catalog::handle(inventory, delivered))
            }
            Consumer::InventoryOnOrders => {
                Box::pin(rialto_inventory::entrypoints::on_orders::handle(inventory, delivered))
            }
            Consumer::OrdersOnAccounts => {
                Box::pin(rialto_orders::entrypoints::on_accounts::handle(orders, delivered))
            }
            Consumer::OrdersOnCatalog => {
                Box::pin(rialto_orders::entrypoints::on_catalog::handle(orders, delivered))
            }
            Consumer::OrdersOnInventory => {
                Box::pin(rialto_orders::entrypoints::on_inventory::handle(orders, delivered))
            }
            Consumer::OrdersOnPayments => {
                Box::pin(rialto_orders::entrypoints::on_payments::handle(orders, delivered))
            }
            Consumer::PaymentsOnInventory => {
                use rialto_payments::entrypoints::on_inventory::{ChargeState, handle};
                Box::pin(handle(ChargeState { store: payments, provider, clock }, delivered))
            }
            Consumer::PaymentsOnOrders => Box::pin(
                rialto_payments::entrypoints::on_orders::handle((payments, provider), delivered),
            ),
        };
        let function = function_name(message.consumer);
        let (kind, receives) = (message.event.kind.clone(), message.receives);
        let subject = message.event.correlationid.clone();
        self.note(|| format!("#{id} {function} receives {kind} of {subject} (receive {receives})"));
        let future = Box::pin(async move { Ending::Message(future.await) });
        let message = Some(message);
        let invocation = Invocation {
            function,
            subject,
            future,
            message,
            placement: None,
            started: self.now(),
            confirmed: false,
        };
        self.start(id, invocation);
    }

    pub(crate) fn in_progress(&self, message: MessageId) -> bool {
        let handles = |invocation: &Invocation| {
            invocation.message.as_ref().is_some_and(|handled| handled.id == message)
        };
        self.invocations.values().any(handles)
    }
}

const fn function_name(consumer: Consumer) -> &'static str {
    match consumer {
        Consumer::InventoryOnCatalog => "inventory-on-catalog",
        Consumer::InventoryOnOrders => "inventory-on-orders",
        Consumer::OrdersOnAccounts => "orders-on-accounts",
        Consumer::OrdersOnCatalog => "orders-on-catalog",
        Consumer::OrdersOnInventory => "orders-on-inventory",
        Consumer::OrdersOnPayments => "orders-on-payments",
        Consumer::PaymentsOnInventory => "payments-on-inventory",
        Consumer::PaymentsOnOrders => "payments-on-orders",
    }
}

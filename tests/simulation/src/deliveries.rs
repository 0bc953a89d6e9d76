//! The way of an event: from a relay through a queue to its consumer.

use crate::{
    faults::Fault,
    invocations::{Ending, Origin},
    io::InvocationId,
    queues::Consumer,
    races::Race,
    stores::Simulated,
    world::{Source, World},
};
use rialto_contracts::Event;
use rialto_delivery::adapters::memory::MemoryDelivery;
use rialto_inventory::adapters::memory::MemoryInventory;
use rialto_kernel::{PlantedBug, settings::RETRY_WINDOW};
use rialto_lambda::{
    settings::Settings,
    sqs::{Failure, Message, Outcome},
};
use rialto_orders::adapters::memory::MemoryOrders;
use rialto_payments::adapters::memory::{MemoryPayments, MemoryProvider};
use std::{pin::Pin, sync::Arc, time::Duration};

impl World {
    /// Publishes the next events of a source to the queues of their consumers.
    pub(crate) fn relay(&mut self, source: Source) {
        let events = self.unpublished(source);
        let count = 1 + self.choose(events.len().min(5));
        let republication = self.happens(Fault::Republication);
        let published = if republication { self.choose(count + 1) } else { count };
        for event in events.iter().take(published) {
            let (kind, subject) = (&event.kind, self.name(&event.subject));
            self.note(|| format!("the relay publishes {kind} of {subject}"));
            let rules = Arc::clone(&self.rules);
            for (consumer, delay) in rules.consumers(event) {
                self.deliver(consumer, event, delay);
                if self.happens(Fault::Duplicate) {
                    self.deliver(consumer, event, delay);
                }
            }
        }
        if republication {
            self.note(|| format!("the relay of {source:?} crashes and begins again"));
            if PlantedBug::RelayForgetsRest.is_planted() {
                self.relayed[source as usize] += count;
            }
            return;
        }
        self.relayed[source as usize] += count;
    }

    pub(crate) fn deliver(&mut self, consumer: Consumer, event: &Event, delay: Duration) {
        let mut pause = delay + Duration::from_millis(self.choose(200) as u64);
        if self.happens(Fault::Delay) {
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
        let function = function_name(message.consumer);
        let (kind, receives) = (message.event.kind.clone(), message.receives);
        let subject = message.event.correlationid.clone();
        if self.happens(Fault::Drop) {
            self.note(|| format!("{kind} is received for {function}, which doesn't begin"));
            return;
        }
        if self.happens(Fault::SlowConsumer) {
            let visible = Duration::from_millis(self.choose(1_000) as u64);
            self.queues.retry(message.id, self.now().plus(visible));
        }
        self.record_delivery(function, &message);
        let id = self.next_id();
        let clock = self.clock();
        let delivered = Message::new(message.event.clone(), clock.now(), &self.span);
        let (orders, inventory) = (self.orders_for(id), self.inventory_for(id));
        let (payments, provider) = (self.payments_for(id), self.provider_for(id));
        let future: Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + Send>> = match message
            .consumer
        {
            Consumer::DeliveryOnOrders => {
                let store = self.delivery_for(id);
                Box::pin(rialto_delivery::entrypoints::on_orders::handle(store, delivered))
            }
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
            Consumer::OrdersOnDelivery => {
                Box::pin(rialto_orders::entrypoints::on_delivery::handle(orders, delivered))
            }
            Consumer::OrdersOnInventory => {
                Box::pin(rialto_orders::entrypoints::on_inventory::handle(orders, delivered))
            }
            Consumer::OrdersOnPayments => {
                Box::pin(rialto_orders::entrypoints::on_payments::handle(orders, delivered))
            }
            Consumer::PaymentsOnInventory => {
                use rialto_payments::entrypoints::on_inventory::{ChargeState, handle};
                let window = self.workload.retry_window.as_secs().to_string();
                let settings = Arc::new(Settings::fixed(&[(RETRY_WINDOW.name, &window)]));
                let state = ChargeState { store: payments, provider, settings, clock };
                Box::pin(handle(state, delivered))
            }
            Consumer::PaymentsOnOrders => Box::pin(
                rialto_payments::entrypoints::on_orders::handle((payments, provider), delivered),
            ),
        };
        let name = self.name(&subject);
        self.note(|| format!("#{id} {function} receives {kind} of {name} (receive {receives})"));
        let future = async move { Ending::Message(future.await) };
        self.start(id, function, subject, Origin::Message(Box::new(message)), future);
    }

    pub(crate) fn orders_for(&self, id: InvocationId) -> Simulated<MemoryOrders> {
        Simulated::with_index(self.orders.clone(), self.board.io(id), &self.orders_index)
    }

    pub(crate) fn inventory_for(&self, id: InvocationId) -> Simulated<MemoryInventory> {
        Simulated::new(self.inventory.clone(), self.board.io(id))
    }

    pub(crate) fn payments_for(&self, id: InvocationId) -> Simulated<MemoryPayments> {
        Simulated::with_index(self.payments.clone(), self.board.io(id), &self.payments_index)
    }

    pub(crate) fn delivery_for(&self, id: InvocationId) -> Simulated<MemoryDelivery> {
        Simulated::with_index(self.delivery.clone(), self.board.io(id), &self.delivery_index)
    }

    pub(crate) fn provider_for(&self, id: InvocationId) -> Simulated<MemoryProvider> {
        Simulated::new(self.provider.clone(), self.board.io(id))
    }
}

const fn function_name(consumer: Consumer) -> &'static str {
    match consumer {
        Consumer::DeliveryOnOrders => "delivery-on-orders",
        Consumer::InventoryOnCatalog => "inventory-on-catalog",
        Consumer::InventoryOnOrders => "inventory-on-orders",
        Consumer::OrdersOnAccounts => "orders-on-accounts",
        Consumer::OrdersOnCatalog => "orders-on-catalog",
        Consumer::OrdersOnDelivery => "orders-on-delivery",
        Consumer::OrdersOnInventory => "orders-on-inventory",
        Consumer::OrdersOnPayments => "orders-on-payments",
        Consumer::PaymentsOnInventory => "payments-on-inventory",
        Consumer::PaymentsOnOrders => "payments-on-orders",
    }
}

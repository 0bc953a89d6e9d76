//! The start of the operations on deliveries, and of delivery's sweep.

use crate::{
    invocations::{Ending, Origin},
    operations::SWEEP_TIME,
    workload::{DeliveryAction, DeliveryOperation, Operation},
    world::World,
};
use rialto_contracts::EventContext;
use rialto_delivery::{
    application::{
        add_parcel::{AddParcel, AddParcelError, add_parcel},
        change_delivery::ChangeDeliveryError,
        confirm_receipt::confirm_receipt,
        get_parcel::ParcelError,
        set_parcel_status::set_parcel_delivered,
        set_status::{ReportedStatus, set_status},
        sweep::sweep,
    },
    domain::{
        delivery::{DeliveryDeadlines, DeliveryState, LineDelivery},
        draft::WriteContext,
    },
};
use rialto_kernel::IfMatch;
use rialto_lambda::sweep::SweepRun;
use std::time::Duration;

pub(crate) const DEADLINES: DeliveryDeadlines = DeliveryDeadlines {
    delivery: Duration::from_secs(30 * 24 * 3_600),
    receipt: Duration::from_secs(7 * 24 * 3_600),
};

impl World {
    /// Begins an operation on a delivery, or puts it off until there is one.
    pub(crate) fn report_delivery(&mut self, operation: DeliveryOperation) {
        let number = operation.placement;
        let order = self.workload.placements[number].order;
        let mut deliveries = self.delivery.deliveries();
        deliveries.retain(|delivery| delivery.order_id == order);
        let later = operation.request.is_none() && self.choose(2) == 1;
        if deliveries.is_empty() || later {
            if let Some(waits) = operation.waits.checked_sub(1) {
                self.advance(Duration::from_millis(500));
                let later = DeliveryOperation { waits, ..operation };
                self.workload.operations.push(Operation::Deliver(later));
            }
            return;
        }
        let (line_no, action) =
            operation.request.unwrap_or_else(|| self.choose_report(&deliveries));
        let Some(delivery) = deliveries.iter().find(|delivery| delivery.line_no == line_no) else {
            return;
        };
        let delivery = delivery.clone();
        let together = |other: &&LineDelivery| {
            other.delivery_id == delivery.delivery_id
                || (other.seller_id == delivery.seller_id
                    && other.state == DeliveryState::Prepared
                    && other.accepted)
        };
        let parcel = deliveries.iter().filter(together).map(|of| of.delivery_id).collect();
        let id = self.next_id();
        let write = WriteContext { now: self.clock().now(), cause: EventContext::default() };
        let store = self.delivery_for(id);
        let function = function_name(action);
        self.note(|| format!("#{id} {function}: order {number}, line {line_no}"));
        let resolved = DeliveryOperation { request: Some((line_no, action)), ..operation };
        let origin = Origin::Request(Operation::Deliver(resolved));
        let key = operation.key.to_string();
        self.start(id, function, order.to_string(), origin, async move {
            let (carrier, tracking_number) = ("DHL".to_owned(), key.clone());
            let (delivery_id, seller, write) = (delivery.delivery_id, delivery.seller_id, &write);
            let if_match = &IfMatch::Any;
            let is_seller = |id| id == seller;
            let changed = match action {
                DeliveryAction::Start | DeliveryAction::Complete => {
                    let status = match action {
                        DeliveryAction::Start => {
                            ReportedStatus::Delivering { carrier, tracking_number }
                        }
                        _ => ReportedStatus::Delivered,
                    };
                    set_status(&store, delivery_id, &status, if_match, is_seller, &DEADLINES, write)
                        .await
                        .map(drop)
                }
                DeliveryAction::ConfirmReceipt => {
                    let is_buyer = |user| user == delivery.user_id;
                    confirm_receipt(&store, delivery_id, is_buyer, write).await.map(drop)
                }
                DeliveryAction::StartInParcel => {
                    let request = AddParcel {
                        seller_id: seller,
                        idempotency_key: &key,
                        delivery_ids: parcel,
                        carrier,
                        tracking_number,
                    };
                    match add_parcel(&store, &request, &DEADLINES, write).await {
                        Ok(_) => Ok(()),
                        Err(AddParcelError::Store(error)) => Err(error.into()),
                        Err(_) => Err(ChangeDeliveryError::NotFound),
                    }
                }
                DeliveryAction::CompleteParcel => match delivery.parcel_id() {
                    None => Err(ChangeDeliveryError::NotFound),
                    Some(id) => {
                        let done = set_parcel_delivered(
                            &store, id, if_match, is_seller, &DEADLINES, write,
                        );
                        match done.await {
                            Ok(_) => Ok(()),
                            Err(ParcelError::Store(error)) => Err(error.into()),
                            Err(_) => Err(ChangeDeliveryError::NotFound),
                        }
                    }
                },
            };
            match changed {
                Err(ChangeDeliveryError::Store(_)) => Ending::Unanswered,
                Ok(()) | Err(_) => Ending::Answered,
            }
        });
    }

    /// A report about a random delivery: mostly one that its state allows.
    fn choose_report(&mut self, deliveries: &[LineDelivery]) -> (u32, DeliveryAction) {
        use DeliveryAction::{Complete, CompleteParcel, ConfirmReceipt, Start, StartInParcel};
        let delivery = &deliveries[self.choose(deliveries.len())];
        let fitting: &[DeliveryAction] = match delivery.state {
            DeliveryState::Prepared => &[Start, StartInParcel],
            DeliveryState::Delivering if delivery.parcel_id().is_some() => {
                &[Complete, CompleteParcel]
            }
            DeliveryState::Delivering => &[Complete],
            DeliveryState::Delivered => &[ConfirmReceipt],
            _ => &[],
        };
        let any = [Start, StartInParcel, Complete, CompleteParcel, ConfirmReceipt];
        let actions = if fitting.is_empty() || self.choose(8) == 7 { &any } else { fitting };
        (delivery.line_no, actions[self.choose(actions.len())])
    }

    pub(crate) fn sweep_delivery(&mut self) {
        self.record_sweep("delivery");
        let id = self.next_id();
        let clock = self.clock();
        let now = clock.now();
        let run = SweepRun::new(now, now.plus(SWEEP_TIME), clock);
        let store = self.delivery_for(id);
        self.note(|| format!("#{id} delivery-sweep"));
        self.start(id, "delivery-sweep", String::new(), Origin::Schedule, async move {
            match sweep(&store, &run, &DEADLINES, &EventContext::default()).await {
                Ok(_) | Err(_) => Ending::Answered,
            }
        });
    }
}

const fn function_name(action: DeliveryAction) -> &'static str {
    match action {
        DeliveryAction::Start | DeliveryAction::Complete => "delivery-set-status",
        DeliveryAction::StartInParcel => "delivery-add-parcel",
        DeliveryAction::CompleteParcel => "delivery-set-parcel-status",
        DeliveryAction::ConfirmReceipt => "delivery-confirm-receipt",
    }
}

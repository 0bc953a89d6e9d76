fn main() {
    rialto_delivery::entrypoints::list_seller_deliveries::main();
}

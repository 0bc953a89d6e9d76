fn main() {
    rialto_delivery::entrypoints::set_parcel_status::main();
}

fn main() {
    rialto_delivery::entrypoints::add_parcel::main();
}

fn main() {
    rialto_delivery::entrypoints::get_parcel::main();
}

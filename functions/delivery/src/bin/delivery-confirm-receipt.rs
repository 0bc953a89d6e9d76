fn main() {
    rialto_delivery::entrypoints::confirm_receipt::main();
}

fn main() {
    rialto_payments::entrypoints::sweep::main();
}

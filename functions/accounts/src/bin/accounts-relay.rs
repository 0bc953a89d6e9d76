fn main() {
    rialto_accounts::entrypoints::relay::main();
}

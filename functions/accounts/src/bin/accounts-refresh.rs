fn main() {
    rialto_accounts::entrypoints::refresh::main();
}

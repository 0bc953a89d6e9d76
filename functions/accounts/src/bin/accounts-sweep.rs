fn main() {
    rialto_accounts::entrypoints::sweep::main();
}

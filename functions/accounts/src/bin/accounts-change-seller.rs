fn main() {
    rialto_accounts::entrypoints::change_seller::main();
}
